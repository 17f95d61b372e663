"""What the benchmark times in other backtesters is the work that Trawl does."""

from __future__ import annotations

import pytest

from backtests.benchmarks.engine import STRATEGIES
from backtests.benchmarks.engine_peers import PEERS, Peer, measure_peers
from backtests.benchmarks.markets import Market


def test_every_peer_is_installed_here() -> None:
    assert [peer.package for peer in PEERS if not peer.is_installed] == []


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: f"{peer.package}, {peer.way}")
def test_a_peer_gives_the_same_outputs(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtests.benchmarks.engine_peers.PEERS", (peer,))
    market = Market(5, 600)

    figures = measure_peers(market.bars(), market, STRATEGIES, 1, lambda _: None)

    assert len(figures) == 3 * len(STRATEGIES)
