"""Saved screens: kept under a name, shared or not, deleted by whoever made them."""

from __future__ import annotations

from typing import Any

from django import forms

from backtests.models import ScreenRun
from strategies.formula import FormulaError, compile_formula
from strategies.formula.limits import LONGEST_TEXT
from strategies.formula_strategies import save_formula
from strategies.models import Screen
from strategies.ready_screens import READY_SCREENS


class SavedForm(forms.Form):
    """A name, the formula, why it may be worth a look, and whether others may use it."""

    name = forms.CharField(max_length=80)
    formula = forms.CharField(max_length=LONGEST_TEXT, widget=forms.HiddenInput, strip=False)
    idea = forms.CharField(max_length=300, required=False)
    is_shared = forms.BooleanField(required=False, label="Share with everybody here")

    def clean_formula(self) -> str:
        text: str = self.cleaned_data["formula"].replace("\r\n", "\n").strip()
        try:
            compile_formula(text)
        except FormulaError as error:
            raise forms.ValidationError(str(error)) from error
        return text


def save_screen(form: SavedForm, owner: Any) -> Screen:
    """Save what a valid form says; a screen of one's own with this name becomes it.

    A formula that says when to enter is a strategy of the owner's, too.
    """
    values = form.cleaned_data
    kept = {name: values[name] for name in ("formula", "idea", "is_shared")}
    saved, _ = Screen.objects.update_or_create(owner=owner, name=values["name"].strip(), defaults=kept)
    program = compile_formula(saved.formula)
    if program.is_strategy:
        save_formula(saved.formula, label=saved.name, idea=saved.idea, owner=owner)
    return saved


def saved_values(owner: Any, run: ScreenRun) -> dict[str, Any]:
    """Return what the form to save an asked screen begins with: what its owner, or the library, says of it."""
    own = Screen.objects.filter(owner=owner, name=run.name).first() if run.name else None
    ready = next((each for each in READY_SCREENS if each.formula == run.formula), None)
    said: dict[str, Any] = {"idea": ready.idea} if ready is not None else {}
    if own is not None:
        said = {"idea": own.idea, "is_shared": own.is_shared}
    return {"name": run.name, "formula": run.formula, **said}


def duplicate(original: Screen, owner: Any) -> Screen:
    """Return a copy of a screen for an owner, under a name that is free, shared with nobody."""
    taken = set(Screen.objects.filter(owner=owner).values_list("name", flat=True))
    names = (f"{original.name[:70]} (copy{f' {number}' if number > 1 else ''})" for number in range(1, len(taken) + 2))
    name = next(each for each in names if each not in taken)
    return Screen.objects.create(owner=owner, name=name, formula=original.formula, idea=original.idea)


def delete(owner: Any, screen_id: int) -> bool:
    """Delete a screen of this owner; return whether there was one."""
    return bool(Screen.objects.filter(owner=owner, pk=screen_id).delete()[0])
