"""The API object: what its OpenAPI page says of it, and how each error is answered."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI, Schema
from ninja.errors import ValidationError
from ninja.openapi.schema import OpenAPISchema

from backtests.api.bodies import ScanBody
from backtests.api.formulas import FormulaBody
from backtests.api.formulas import router as formulas
from backtests.api.page import ApiPage
from backtests.api.records import router as records
from backtests.api.scans import router as scans
from backtests.api.schedules import ScheduleBody
from backtests.api.schedules import router as schedules
from backtests.models import Run
from backtests.runs.errors import ParameterRefused, RequestRefused, RuleRefused, TooManyRuns, WrongState
from backtests.schedules.errors import TooManySchedules

SECURITY_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token, made on the page of tokens."},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "A login; POST needs the header X-CSRFToken as well.",
    },
}


class TrawlApi(NinjaAPI):
    """The API, which says how one is let in: ``backtests.accounts.middleware`` has asked before any view is reached."""

    def get_openapi_schema(self, **arguments: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**arguments)
        schema["components"]["securitySchemes"] = SECURITY_SCHEMES
        schema["security"] = [{"token": []}, {"session": []}, {}]
        for operation in (each for methods in schema["paths"].values() for each in methods.values()):
            # A name made of the function's would say less than its docstring, which else is seen once it is opened.
            operation["summary"], _, operation["description"] = operation["description"].partition("\n\n")
        return schema


api = TrawlApi(
    title="Trawl",
    version="1",
    description=(
        "Backtest one idea across a whole market and follow every symbol's result. On the machine that the server runs "
        "on no login is needed; elsewhere, send a token."
    ),
    urls_namespace="api",
    docs=ApiPage(),
)
api.add_router("", scans)
api.add_router("", records)
api.add_router("", formulas)
api.add_router("", schedules)

# What the bodies are called by the functions that take them.
BODIES: dict[Any, type[Schema]] = {"schedule": ScheduleBody, "question": FormulaBody}


@api.exception_handler(ValidationError)
def wrong_types(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return _wrong_fields([(_place(problem["loc"]), _problem(problem)) for problem in error.errors])


@api.exception_handler(RequestRefused)
def request_refused(request: HttpRequest, error: RequestRefused) -> HttpResponse:
    return _wrong_fields([(_field_of(error), error.problem)])


@api.exception_handler(TooManyRuns)
def too_many_runs(request: HttpRequest, error: TooManyRuns) -> HttpResponse:
    return JsonResponse({"detail": str(error)}, status=429)


@api.exception_handler(TooManySchedules)
def too_many_schedules(request: HttpRequest, error: TooManySchedules) -> HttpResponse:
    return JsonResponse({"detail": str(error)}, status=429)


@api.exception_handler(WrongState)
def wrong_state(request: HttpRequest, error: WrongState) -> HttpResponse:
    return JsonResponse({"detail": str(error)}, status=409)


@api.exception_handler(Run.DoesNotExist)
def no_such_run(request: HttpRequest, error: Run.DoesNotExist) -> HttpResponse:
    return JsonResponse({"detail": "there is no such run"}, status=404)


def _wrong_fields(problems: list[tuple[str, str]]) -> HttpResponse:
    detail = [{"field": field, "problem": problem} for field, problem in problems]
    return JsonResponse({"detail": detail}, status=422)


def _place(loc: tuple[Any, ...]) -> str:
    """Return where in the request something is wrong: of a body, without the name of the view's argument."""
    inside = loc[2:] if loc[0] == "body" else loc[1:]
    return ".".join(str(part) for part in inside) or "body"


def _problem(error: dict[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        body = BODIES.get(error["loc"][1], ScanBody)
        return f"is unknown; known are: {', '.join(body.model_fields)}"
    return str(error["msg"]).removeprefix("Value error, ")


def _field_of(error: RequestRefused) -> str:
    if isinstance(error, ParameterRefused):
        return f"parameters.{error.field}"
    if isinstance(error, RuleRefused):
        return f"rules.{error.field}"
    return error.field
