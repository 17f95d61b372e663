"""Prices in the database: blocks in, bars out.

1. ``write_bars`` merges new bars into a symbol's blocks and touches only the blocks that change.
2. ``read_bars`` returns the bars of many symbols; one index-only query says which blocks there are and whether they are
   still the ones decoded in this process, a second one reads what is missing. Who knows the first answer gives it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import xxhash
from django.conf import settings
from django.db import connection, transaction
from django.db.models import Sum

from backtests.at_once import rows_of
from backtests.connections import give_back
from backtests.models import NewBars, PriceBlock, Symbol
from backtests.prices.bars_file import BARS_FILE
from backtests.prices.cache import ALL_PERIODS, BAR_BYTES, BARS_CACHE, Series
from backtests.prices.errors import BlockDamaged
from strategies.bars import Bars

COLUMNS = ("time", "open", "high", "low", "close", "volume")

# Months that a block covers. Longer blocks are read faster, shorter ones appended to faster; measured on 503 symbols x
# 2,520 daily bars, five years read the market's state in 1.2 ms and its columns in 35 ms (one year: 9 and 65 ms), and
# an update of every symbol's last bar takes 0.26 s (one year: 0.07 s, ten years: 0.48 s). Other intervals follow: some
# 1,000 to 9,000 bars a block.
BLOCK_MONTHS = {"1m": 1, "5m": 1, "15m": 1, "30m": 3, "1h": 12, "4h": 12, "1d": 60, "1w": 240}

# Of so many bars, the newest, the turnover of a symbol is the average.
TURNOVER_BARS = 60


_IS_CHOSEN = {"sqlite": "IN (SELECT value FROM json_each(%s))", "postgresql": "= ANY(%s::bigint[])"}
_NAMES = ", ".join(f'"{name}"' for name in COLUMNS)
_BLOCKS = {
    vendor: f"""
        SELECT id, symbol_id, checksum, period, {_NAMES} FROM {PriceBlock._meta.db_table}
        WHERE "interval" = %s AND symbol_id {is_chosen} AND period BETWEEN %s AND %s
        ORDER BY symbol_id, period
    """  # noqa: S608 - made of the names of a table and its columns
    for vendor, is_chosen in _IS_CHOSEN.items()
}
# Each column of all blocks as one value, and what the blocks are as another one: backtests/at_once.py says why.
_ARE_EQUAL = " AND ".join(f'length("{name}") = length("time")' for name in COLUMNS[1:])
_EACH_JOINED = ", ".join(f"""CAST(group_concat("{name}", '') AS BLOB)""" for name in COLUMNS)
_AT_ONCE = f"""
    SELECT
        json_group_array(json_array(id, symbol_id, checksum, period, CASE WHEN {_ARE_EQUAL} THEN length("time") END)),
        {_EACH_JOINED}
    FROM ({_BLOCKS["sqlite"]})
"""  # noqa: S608

Column = bytes | memoryview


class Stored(NamedTuple):
    """What a block is, and how many bytes each of its columns has; None if they differ."""

    pk: int
    symbol_id: int
    checksum: str
    period: int
    length: int | None


class Known(NamedTuple):
    """The checksums of the blocks of symbols, from the first to the last of two periods."""

    checksums: Mapping[int, Sequence[str]]
    periods: tuple[int, int]


@dataclass(frozen=True, slots=True)
class BlockChanges:
    """How many blocks a write added, replaced and left as they were."""

    added: int = 0
    replaced: int = 0
    unchanged: int = 0

    def __add__(self, other: BlockChanges) -> BlockChanges:
        return BlockChanges(self.added + other.added, self.replaced + other.replaced, self.unchanged + other.unchanged)


def block_periods(time: npt.NDArray[np.int64], interval: str) -> npt.NDArray[np.int64]:
    """Return the period of each bar: the year and month, as YYYYMM, in which its block begins."""
    months = time.astype("datetime64[s]").astype("datetime64[M]").astype(np.int64)
    first = months - months % BLOCK_MONTHS[interval]
    return (1970 + first // 12) * 100 + first % 12 + 1


def write_bars(series: Iterable[tuple[Symbol, Bars]], *, interval: str, source: str) -> BlockChanges:
    """Merge each symbol's bars into its blocks; where both have a bar, the new one is kept.

    Give a batch of symbols at a time (some dozens): their blocks are read and written with a few queries, in one
    transaction. The symbols whose newest bar has come or changed are noted for the schedules that wait for them.
    """
    wanted = {symbol.pk: (symbol, bars) for symbol, bars in series if len(bars)}
    with transaction.atomic():
        blocks = PriceBlock.objects.filter(symbol_id__in=wanted, interval=interval)
        stored = {(symbol_id, period): pk for pk, symbol_id, period in blocks.values_list("pk", "symbol_id", "period")}
        added: list[PriceBlock] = []
        known: dict[int, tuple[PriceBlock, Bars]] = {}
        for symbol, bars in wanted.values():
            for period, part in _split(bars, interval):
                block = _block(symbol, interval, period, part, source)
                pk = stored.get((symbol.pk, period))
                if pk is None:
                    added.append(block)
                else:
                    known[pk] = (block, part)
        merged = _merged(known)
        # One upsert: bulk_update would spell out a CASE for every column and block, which takes far longer.
        PriceBlock.objects.bulk_create(
            [*added, *(block for block, _ in merged)],
            update_conflicts=True,
            unique_fields=["symbol", "interval", "period"],
            update_fields=["first_time", "last_time", "n_bars", *COLUMNS, "checksum", "source", "imported_at"],
        )
        _note_turnover(wanted.values())
        if newest := _newest(stored, added, [block for block, has_another_end in merged if has_another_end]):
            NewBars.objects.create(interval=interval, symbol_ids=newest)
    return BlockChanges(len(added), len(merged), len(known) - len(merged))


def _newest(
    stored: Iterable[tuple[int, int]], added: Sequence[PriceBlock], with_another_end: Sequence[PriceBlock]
) -> list[int]:
    """Return the symbols whose newest bar is another one than before: a later one, or the same with other prices."""
    periods: dict[int, int] = {}
    for symbol_id, period in stored:
        periods[symbol_id] = max(period, periods.get(symbol_id, 0))
    newest = {block.symbol_id for block in added if block.period > periods.get(block.symbol_id, 0)}
    newest |= {block.symbol_id for block in with_another_end if block.period == periods[block.symbol_id]}
    return sorted(newest)


def _note_turnover(series: Iterable[tuple[Symbol, Bars]]) -> None:
    """Set the turnover of the symbols of which there are bars enough to tell; a day's update leaves it as it was."""
    symbols = []
    for symbol, bars in series:
        if symbol.turnover is None or len(bars) >= TURNOVER_BARS:
            symbol.turnover = float((bars.close[-TURNOVER_BARS:] * bars.volume[-TURNOVER_BARS:]).mean())
            symbols.append(symbol)
    Symbol.objects.bulk_update(symbols, ["turnover"])


def _merged(known: Mapping[int, tuple[PriceBlock, Bars]]) -> list[tuple[PriceBlock, bool]]:
    """Return what each stored block becomes with the new bars merged in, unless that is what it was.

    With each comes whether its last bar is another one than before.

    Of one that is damaged nothing can be kept: it becomes the new bars alone.
    """
    replaced = []
    for pk, before in PriceBlock.objects.in_bulk(known).items():
        block, part = known[pk]
        try:
            bars = decode(before)
        except BlockDamaged:
            replaced.append((block, _end(block) != _end(before)))
            continue
        if block.checksum != before.checksum:
            after = _block(block.symbol, block.interval, block.period, _merge(bars, part), block.source)
            if after.checksum != before.checksum:
                replaced.append((after, _end(after) != _end(before)))
    return replaced


def _end(block: PriceBlock) -> list[bytes]:
    return [bytes(getattr(block, name))[-8:] for name in COLUMNS]


def _as_ids(symbol_ids: Sequence[int]) -> Any:
    """Return ids as _IS_CHOSEN takes them."""
    return json.dumps(list(symbol_ids)) if connection.vendor == "sqlite" else list(symbol_ids)


def stored_checksums(
    symbol_ids: Sequence[int], interval: str, periods: tuple[int, int] = ALL_PERIODS
) -> dict[int, tuple[str, ...]]:
    """Return the checksums of the blocks of each symbol that has any, in order; an index alone answers."""
    query = f"""
        SELECT symbol_id, checksum FROM {PriceBlock._meta.db_table}
        WHERE "interval" = %s AND symbol_id {_IS_CHOSEN[connection.vendor]}
        AND period BETWEEN %s AND %s ORDER BY symbol_id, period
    """  # noqa: S608 - made of the name of a table
    found: dict[int, list[str]] = {}
    for symbol_id, checksum in rows_of(query, [interval, _as_ids(symbol_ids), *periods], ("symbol_id", "checksum")):
        found.setdefault(symbol_id, []).append(checksum)
    return {symbol_id: tuple(checksums) for symbol_id, checksums in found.items()}


def bytes_of(universe_id: int, interval: str) -> int:
    """Return how many bytes the decoded bars of a universe take."""
    blocks = PriceBlock.objects.filter(symbol__universes=universe_id, interval=interval)
    return BAR_BYTES * (blocks.aggregate(n=Sum("n_bars"))["n"] or 0)


def read_bars(
    symbol_ids: Sequence[int],
    *,
    interval: str,
    start_s: int | None = None,
    end_s: int | None = None,
    known: Known | None = None,
    market_bytes: int = 0,
    whole: bool = True,
) -> dict[int, Series]:
    """Return the bars of the symbols that have any, from ``start_s`` up to but without ``end_s`` (seconds, UTC).

    A symbol with blocks but no bar between the two has a series of no bars; one without blocks is absent. With what is
    ``known`` the database is asked only for bars that this process does not have. Whoever reads a market in parts says
    how many bytes it has: one that does not fit into memory would drive out all others, and itself, and is kept in the
    bars file. What has to be read is read ``whole``, for others who want it, or only from the first to the last of the
    known periods.

    Raises
    ------
    BlockDamaged
        If a block's columns do not match its checksum.
    """
    if known is None:
        known = Known(stored_checksums(symbol_ids, interval), ALL_PERIODS)
    wanted = [(symbol_id, known.checksums.get(symbol_id)) for symbol_id in symbol_ids]
    found = {
        symbol_id: BARS_CACHE.get((symbol_id, interval), checksums, known.periods)
        for symbol_id, checksums in wanted
        if checksums is not None
    }
    in_memory = market_bytes <= settings.BARS_CACHE_BYTES
    in_file = not in_memory and BARS_FILE.has_room_for(market_bytes)
    missing = [symbol_id for symbol_id, series in found.items() if series is None]
    if missing and in_file:
        written = BARS_FILE.get_all({(each, interval): known.checksums[each] for each in missing}, known.periods)
        found |= {symbol_id: series for (symbol_id, _), series in written.items()}
        missing = [symbol_id for symbol_id in missing if found[symbol_id] is None]
    if missing:
        read = _read_blocks(missing, interval, ALL_PERIODS if whole else known.periods, keep=in_memory)
        found |= read
        if in_file:
            # In the order in which they are asked for, as they will be the next time.
            BARS_FILE.put_all({(each, interval): read[each] for each in missing if each in read})
    # What is done with bars takes longer than reading them.
    give_back()
    ranged = {}
    for symbol_id, series in found.items():
        if series is not None:
            ranged[symbol_id] = Series(series.bars.between(start_s, end_s), series.checksums, series.periods)
    return ranged


def decode(block: PriceBlock) -> Bars:
    """Return the bars of a block, or raise BlockDamaged."""
    return _bars(_columns_of(block.pk, block.checksum))


def checksum_of(columns: Sequence[Column]) -> str:
    """Return the digest that identifies the columns of a block: of 128 bits, and computed as fast as memory is read."""
    digest = xxhash.xxh3_128(columns[0])
    for column in columns[1:]:
        digest.update(column)
    return digest.hexdigest()


def _read_blocks(
    symbol_ids: Sequence[int], interval: str, periods: tuple[int, int], *, keep: bool
) -> Mapping[int, Series]:
    blocks, joined = _stored_blocks([interval, _as_ids(symbol_ids), *periods])
    if not _are_whole(blocks, joined):
        # One is damaged, which raises; or this SQLite is an old one, whose joined texts end at their first zero.
        blocks, joined = _each_alone(blocks)
    read, end = {}, 0
    for symbol_id, own in groupby(blocks, key=attrgetter("symbol_id")):
        start, checksums, own_periods = end, [], []
        for block in own:
            end += block.length or 0
            checksums.append(block.checksum)
            own_periods.append(block.period)
        columns = [column[start:end] for column in joined]
        series = Series(_bars(_alone(columns) if keep else columns), tuple(checksums), tuple(own_periods))
        if keep:
            BARS_CACHE.put((symbol_id, interval), series)
        read[symbol_id] = series
    return read


def _are_whole(blocks: Sequence[Stored], joined: Sequence[memoryview]) -> bool:
    """Return whether every block has the columns that its checksum is of."""
    end = 0
    for block in blocks:
        if block.length is None:
            return False
        start, end = end, end + block.length
        if checksum_of([column[start:end] for column in joined]) != block.checksum:
            return False
    return True


def _each_alone(blocks: Sequence[Stored]) -> tuple[list[Stored], list[memoryview]]:
    """Return blocks and their columns, each read by itself; or raise BlockDamaged."""
    columns = [_columns_of(block.pk, block.checksum) for block in blocks]
    read = [block._replace(length=len(own[0])) for block, own in zip(blocks, columns, strict=True)]
    return read, [memoryview(b"".join(parts)) for parts in zip(*columns, strict=True)]


def _columns_of(pk: int, checksum: str) -> list[bytes]:
    columns = [bytes(column) for column in PriceBlock.objects.values_list(*COLUMNS).get(pk=pk)]
    if len({len(column) for column in columns}) > 1 or checksum_of(columns) != checksum:
        raise BlockDamaged(f"a price block does not match its checksum {checksum}; import its prices again")
    return columns


def _stored_blocks(values: Sequence[Any]) -> tuple[list[Stored], list[memoryview]]:
    """Return the blocks that are asked for with ``values``, and each column of all of them, one after the other."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(_AT_ONCE, values)
            described, *joined = cursor.fetchone()
            blocks = [Stored(*each) for each in json.loads(described)]
            return blocks, [memoryview(column or b"") for column in joined]
        cursor.execute(_BLOCKS[connection.vendor], values)
        rows = cursor.fetchall()
    blocks = []
    for pk, symbol_id, checksum, period, *columns in rows:
        lengths = {len(column) for column in columns}
        blocks.append(Stored(pk, symbol_id, checksum, period, lengths.pop() if len(lengths) == 1 else None))
    return blocks, [memoryview(b"".join([row[4 + number] for row in rows])) for number in range(len(COLUMNS))]


def _alone(columns: Sequence[memoryview]) -> list[memoryview]:
    """Return columns in memory of their own: what is kept of one symbol shall not keep that of all others."""
    own, size = memoryview(b"".join(columns)), len(columns[0])
    return [own[number * size : (number + 1) * size] for number in range(len(columns))]


def _bars(columns: Sequence[Column]) -> Bars:
    time, *figures = columns
    return Bars(
        np.frombuffer(time, dtype="<i8").astype(np.int64, copy=False),
        *(np.frombuffer(column, dtype="<f8").astype(np.float64, copy=False) for column in figures),
    )


def _block(symbol: Symbol, interval: str, period: int, bars: Bars, source: str) -> PriceBlock:
    columns = [np.ascontiguousarray(bars.time, dtype="<i8").tobytes()]
    columns += [np.ascontiguousarray(getattr(bars, name), dtype="<f8").tobytes() for name in COLUMNS[1:]]
    return PriceBlock(
        symbol=symbol,
        interval=interval,
        period=period,
        first_time=datetime.fromtimestamp(int(bars.time[0]), UTC),
        last_time=datetime.fromtimestamp(int(bars.time[-1]), UTC),
        n_bars=len(bars),
        checksum=checksum_of(columns),
        source=source[:200],
        **dict(zip(COLUMNS, columns, strict=True)),
    )


def _split(bars: Bars, interval: str) -> Iterable[tuple[int, Bars]]:
    periods = block_periods(bars.time, interval)
    edges = [0, *(np.flatnonzero(np.diff(periods)) + 1).tolist(), len(bars)]
    for first, last in pairwise(edges):
        yield int(periods[first]), bars[first:last]


def _merge(before: Bars, after: Bars) -> Bars:
    keep = ~np.isin(before.time, after.time)
    time = np.concatenate((before.time[keep], after.time))
    order = np.argsort(time, kind="stable")
    columns = (np.concatenate((getattr(before, name)[keep], getattr(after, name)))[order] for name in COLUMNS[1:])
    return _readonly(time[order], *columns)


def _readonly(time: npt.NDArray[np.int64], *prices: npt.NDArray[np.float64]) -> Bars:
    for column in (time, *prices):
        column.flags.writeable = False
    return Bars(time, *prices)
