"""The demo market: seeded, synthetic prices with the shape of real ones, to try and measure with."""

from backtests.prices.demo.load import N_COINS, N_HOURLY, N_STOCKS, SEED, DemoLoaded, UniverseLoaded, load_demo

__all__ = ["N_COINS", "N_HOURLY", "N_STOCKS", "SEED", "DemoLoaded", "UniverseLoaded", "load_demo"]
