"""Screens: which symbols of a market match a formula now, and their charts."""
