"""A strategy of freqtrade that follows the signals which stand beside the prices it is given."""

from __future__ import annotations

from typing import Any

from freqtrade.strategy import IStrategy


class Follow(IStrategy):  # type: ignore[misc]
    """Enter and exit where the columns of the prices say so; everything else is set by the configuration."""

    # freqtrade reads every attribute of a strategy's class. One that zope.interface puts on abc.ABC cannot be read, and
    # zope comes with the server that Django's settings name.
    __provides__ = None

    INTERFACE_VERSION = 3
    timeframe = "1d"
    process_only_new_candles = False

    def populate_indicators(self, dataframe: Any, metadata: dict[str, Any]) -> Any:
        return dataframe

    def populate_entry_trend(self, dataframe: Any, metadata: dict[str, Any]) -> Any:
        return dataframe

    def populate_exit_trend(self, dataframe: Any, metadata: dict[str, Any]) -> Any:
        return dataframe


class FollowBoth(Follow):
    """The same for an account that may sell what it does not own."""

    can_short = True
