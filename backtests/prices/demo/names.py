"""Invented names and tickers. They are the same with every seed, so that only the prices depend on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, combinations

import numpy as np

_COMPANY_STARTS = """
Abr Adv Alb Amb Arv Bel Bex Bor Bral Brin Cald Cer Cin Corb Cyv Dal Dev Dorv Drel Dun Edr Elb Enk Esk Evr Fald Fen Fir
Forl Gal Geld Gry Gul Hal Harn Hesk Hol Hyld Ilm Imb Isk Ixt Jar Jel Jorv Kal Kelv Kir Kos Lam Lerv Lorm Lun Mab Mar
Melk Mirq Mul Nar Nelv Nib Nov Obr Olv Onk Orl Oxl Pal Pelv Pir Pon Quil Quen Rav Reld Rim Rosk Sab Selv Silt Sorv Sul
Tar Telb Tir Tom Tulv Ulb Umbr Urv Vel Velz Vin Vorl Wal Wexl Wil Xand Xel Yal Yorv Zel Zemb Zir
"""
_COMPANY_ENDS = """
abex adane adris agant aketh alux amund aquor arane asole atov avand awick azen edane edris eketh elune emont enix esole
etta evand ibex idane igor ilux imund iquor irane isole itov ivand iwick izen odane odris oketh olund omund onix oquor
orane osole ovand ubrin udane uketh ulux umont unix urane usole uvand
"""
_COIN_STARTS = """
Aru Bly Bru Cwo Dre Duv Elu Eni Fyx Glo Gru Hux Ilo Iqu Jol Kry Kuv Luv Lyo Myz Nux Obi Orv Pyx Plo Qua Ryv Sko Sly Tyz
Tro Uvo Vax Wyn Wub Xel Yve Ylo Zor Zub
"""
_COIN_ENDS = "bry cade dune fae gol jix kel lorn mir nod pell qui reth tum varn wex yon zil"

# Well-known codes of real companies, funds and coins that the rule below would otherwise arrive at.
_TAKEN = frozenset({"ADV", "ARK", "BRY", "DRV", "EVR", "GLD", "HYD", "NVS", "RMD", "SLV", "SLY"})


def company_words(rng: np.random.Generator, count: int) -> list[str]:
    """Return so many different invented first words of company names."""
    return _words(rng, _COMPANY_STARTS, _COMPANY_ENDS, count)


def coin_words(rng: np.random.Generator, count: int) -> list[str]:
    """Return so many different invented names of coins."""
    return _words(rng, _COIN_STARTS, _COIN_ENDS, count)


def tickers(words: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """Return a ticker for each word: its first letter and others in their order, each ticker once."""
    used = set(_TAKEN)
    found = []
    for word, length in zip(words, lengths, strict=True):
        ticker = next(code for code in _codes(word.upper(), length) if code not in used)
        used.add(ticker)
        found.append(ticker)
    return found


def _words(rng: np.random.Generator, starts: str, ends: str, count: int) -> list[str]:
    words = [start + end for start in starts.split() for end in ends.split()]
    return [words[index] for index in rng.permutation(len(words))[:count].tolist()]


def _codes(word: str, length: int) -> Iterator[str]:
    rest = word[1:]
    consonants = "".join(letter for letter in rest if letter not in "AEIOU")
    for letters in chain(combinations(consonants, length - 1), combinations(rest, length - 1)):
        yield word[0] + "".join(letters)
