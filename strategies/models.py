from django.conf import settings
from django.db import models


class Strategy(models.Model):
    """A strategy that users may choose; the rule itself is the class registered under ``key``."""

    key = models.SlugField(max_length=60, unique=True)
    label = models.CharField(max_length=100)
    help = models.TextField(blank=True)
    default_parameters = models.JSONField(default=dict, blank=True)
    is_active = models.BooleanField(default=True, help_text="Inactive strategies are not offered and start no runs.")
    is_builtin = models.BooleanField(default=True, editable=False)
    source = models.CharField(
        max_length=200,
        blank=True,
        editable=False,
        help_text="The file or package of a strategy that somebody added; empty otherwise.",
    )
    formula = models.TextField(
        blank=True, editable=False, max_length=4000, help_text="What it says, if it is a formula; empty otherwise."
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        # Without an owner it would be everybody's.
        on_delete=models.CASCADE,
        related_name="strategies",
        help_text="Whose formula it is; nobody's are for everybody.",
    )
    is_missing = models.BooleanField(
        default=False, editable=False, help_text="Switched off because its code is gone; on again when that is back."
    )
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["label"]
        verbose_name_plural = "strategies"
        constraints = [models.CheckConstraint(condition=~models.Q(key=""), name="strategy_has_key")]

    def __str__(self) -> str:
        return self.label


class Screen(models.Model):
    """A formula that somebody has saved under a name, to be asked of a market again."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.CASCADE, related_name="screens"
    )
    name = models.CharField(max_length=80)
    formula = models.TextField(max_length=4000)
    idea = models.CharField(max_length=300, blank=True, help_text="Why this may be worth a look.")
    is_shared = models.BooleanField(default=False, help_text="Everybody may read and run it; its owner changes it.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="screen_name_unique"),
            # Of nobody's, too: two NULLs are different owners to a database.
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(owner=None), name="screen_of_nobody_name_unique"
            ),
            models.CheckConstraint(condition=~models.Q(name=""), name="screen_has_name"),
            models.CheckConstraint(condition=~models.Q(formula=""), name="screen_has_formula"),
        ]

    def __str__(self) -> str:
        return self.name
