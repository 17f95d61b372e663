from __future__ import annotations

from django import forms


class TokenForm(forms.Form):
    """What a new token is for."""

    name = forms.CharField(
        max_length=100, help_text="What it is for.", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
