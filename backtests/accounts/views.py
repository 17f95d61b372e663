"""The page of tokens. Login and logout are Django's own views, with templates in ``templates/registration``."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from backtests.accounts.forms import TokenForm
from backtests.accounts.tokens import create_token, revoke_token
from backtests.models import ApiToken


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def tokens(request: HttpRequest) -> HttpResponse:
    """Show a user's tokens; make one, whose text is in this answer and nowhere else."""
    if not request.user.is_authenticated:
        return render(request, "accounts/tokens_need_account.html", status=403 if request.method == "POST" else 200)
    form = TokenForm(request.POST if request.method == "POST" else None, label_suffix="")
    text, status = "", 200
    if request.method == "POST":
        if form.is_valid():
            _, text = create_token(owner=request.user, name=form.cleaned_data["name"])
            form, status = TokenForm(label_suffix=""), 201
        else:
            status = 422
    mine = ApiToken.objects.filter(owner=request.user)
    return render(request, "accounts/tokens.html", {"form": form, "text": text, "tokens": mine}, status=status)


@require_POST
@login_required
def token_revoke(request: HttpRequest, token_id: int) -> HttpResponse:
    revoke_token(get_object_or_404(ApiToken, pk=token_id, owner=request.user))
    return redirect("tokens")
