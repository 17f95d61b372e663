"""Every known defect of the real files is named; these tests exist only where the files do."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from backtests.prices.findings import time_text
from backtests.prices.import_report import ImportReport, finding_lines
from backtests.prices.importing import ImportRequest, import_prices
from backtests.prices.store import BlockChanges

FOLDER = Path(settings.BASE_DIR).parent / "shared/data"
STOCKS = FOLDER / "sp500_5yr.parquet"
COINS = FOLDER / "crypto_hourly_48.parquet"


DROPPED = {
    "value-missing": {
        "BHF 2017-07-26", "DHR 2015-07-17", "DHR 2016-01-12", "ES 2015-07-17", "FTV 2016-07-01", "O 2015-07-17",
        "O 2016-01-12", "REGN 2015-06-09", "UA 2016-04-07", "VRTX 2015-05-12", "WRK 2015-06-26",
    },
    "high-below-low": {"AOS 2014-05-19"},
    "open-outside": {"AOS 2014-05-19", "CHD 2014-05-19", "DHR 2014-11-06", "O 2014-11-06"},
    "close-outside": {
        "AOS 2014-05-19", "BBY 2016-03-14", "CHK 2014-06-30", "IP 2014-07-01", "LNT 2016-05-19", "O 2014-08-27",
        "SPG 2014-05-28", "UA 2016-06-10", "WRK 2016-05-13",
    },
    "volume-zero": {"DHR 2016-01-12", "FTV 2016-07-01", "O 2016-01-12", "UA 2016-04-07"},
}  # fmt: skip


def named(report: ImportReport, kind: str) -> list[str]:
    return [
        f"{finding.symbol} {'' if finding.time is None else time_text(finding.time)}".strip()
        for finding in report.findings
        if finding.kind == kind
    ]


if STOCKS.exists():

    @pytest.mark.django_db
    def test_every_known_defect_of_the_stocks_is_named() -> None:
        request = ImportRequest(path=STOCKS, universe="S&P 500", market="stocks")
        report = import_prices(request)
        for kind, defects in DROPPED.items():
            assert sorted(named(report, kind)) == sorted(defects)
        assert len(named(report, "session-missing")) == 51
        assert len(named(report, "history-short")) == 35
        assert {"EBAY 2015-07-20", "BAX 2015-07-01", "NI 2015-07-02"} <= set(named(report, "price-jump"))
        assert (report.n_read, report.n_stored, report.n_dropped, report.n_symbols) == (619_040, 619_017, 23, 505)
        text = "\n".join(finding_lines(report.findings))
        assert "LNT        2016-05-19 close 17.87 outside 35.085 to 35.785: 49% below the low, a bad tick" in text
        assert "APTV       44 bars instead of 1,259" in text
        again = import_prices(request)
        assert again.changes == BlockChanges(unchanged=report.changes.added)


if COINS.exists():

    @pytest.mark.django_db
    def test_every_known_defect_of_the_coins_is_named() -> None:
        report = import_prices(ImportRequest(path=COINS, universe="Coins", market="crypto", interval="1h"))
        assert named(report, "interval-gap") == ["2023-03-24 13:00"]
        assert len([name for name in named(report, "volume-zero") if name.endswith("2023-03-24 12:00")]) == 46
        assert len(named(report, "bar-unfinished")) == report.n_symbols == 48
        assert named(report, "session-missing") == []
        assert report.is_clean
