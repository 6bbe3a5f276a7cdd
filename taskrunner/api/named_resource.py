"""A named resource: what the routes of executors, webhooks and schedules have in common."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web
from pydantic import BaseModel

from taskrunner.api.description.draft_schemas import Patch, Variant
from taskrunner.api.http.entity_tags import tagged_response
from taskrunner.api.http.requests import prefix_of
from taskrunner.domain.errors import FieldError, FieldsInvalid
from taskrunner.domain.messages import shown


class Named(Protocol):
    """A draft, which has a name in the body of a POST."""

    @property
    def name(self) -> str | None: ...


class NamedView(Protocol):
    """A view of a resource."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedResource:
    """A kind of resource at `path`, made from a `draft`.

    `described` is what the OpenAPI document calls one. `check_name` raises `ValueError` for a name that no
    new one can have; `invalid` is the error of a bad draft.
    """

    path: str
    described: str
    draft: type[BaseModel]
    invalid: type[FieldsInvalid]
    check_name: Callable[[str], str]

    @property
    def new(self) -> Variant:
        """The body of a POST."""
        description = f"{self.described}, with its name."
        return Variant(name=f"New{self._noun}", draft=self.draft, description=description, required=("name",))

    @property
    def fields(self) -> Variant:
        """The body of a PUT."""
        description = f"{self.described}, whose name is in the path."
        return Variant(
            name=f"{self._noun}Fields", draft=self.draft, description=description, without=("name",)
        )

    @property
    def patch(self) -> Patch:
        return Patch(draft=self.draft, without=("name",))

    def name_in_body(self, draft: Named) -> str:
        """The name that a POST gives. Raises `invalid`."""
        if draft.name is None:
            raise self._bad_name("is required")
        return draft.name

    def new_name(self, text: str) -> str:
        """The name in the path of a PUT, which may create the resource. Raises `invalid`."""
        try:
            return self.check_name(text)
        except ValueError as exc:
            raise self._bad_name(str(exc)) from exc

    def refuse_other_name(self, draft: Named, in_path: str) -> None:
        """Raises `invalid` if the body of a PUT gives another name than its path."""
        if draft.name not in {None, in_path}:
            raise self._bad_name(f"is {shown(draft.name)}, but the path says {shown(in_path)}")

    def answer(self, request: web.Request, view: NamedView, *, status: int = 200) -> web.Response:
        """The resource after a change, with its entity tag; with 201, also where it is."""
        location = (("Location", f"{prefix_of(request)}{self.path}/{view.name}"),) if status == 201 else ()
        return tagged_response(view, status=status, headers=location)

    @property
    def _noun(self) -> str:
        return self.draft.__name__.removesuffix("Draft")

    def _bad_name(self, message: str) -> FieldsInvalid:
        return self.invalid([FieldError(field="name", message=message)])
