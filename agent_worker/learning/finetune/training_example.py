"""A training example: the request as a model saw it, with the answer that people approved, wrote or changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, JsonValue

from agent_worker.models.prompt import NOT_FOUND

Source = Literal["person_wrote", "person_edited", "draft_sent", "thumb_up", "resolved", "rejected"]
"""Where the answer to learn comes from: a person wrote it, or changed a draft; a person sent the draft, a contact liked
the answer, or it was enough. ``rejected``: there is none, only an answer that was not wanted."""
SOURCES: tuple[Source, ...] = get_args(Source)
"""The strongest approval first."""
WRITTEN_BY_PEOPLE: frozenset[Source] = frozenset({"person_wrote", "person_edited"})
Problem = Literal[
    "crisis",
    "one_time_code",
    "other_contact",
    "outdated_document",
    "not_recorded",
    "agent_echo",
    "contradictory_figures",
    "not_grounded",
    "near_duplicate",
    "model_share",
]
"""Why an example is not used:

- ``crisis``: the contact may have been in danger.
- ``one_time_code``: somebody wrote a code that proves who they are.
- ``other_contact``: the answer names another contact, or a number, an address or a mailbox from elsewhere.
- ``outdated_document``: a cited document says something else today.
- ``not_recorded``: the log no longer holds what the model saw.
- ``agent_echo``: a person sent a text of the agent as their own.
- ``contradictory_figures``: the answer has figures that the passages do not have, or answers to one question differ.
- ``not_grounded``: no sentence of it is in the passages, so the gate would refuse it; or it declines a question that
  another answer answers.
- ``near_duplicate``: another example says the same.
- ``model_share``: models wrote too large a part of the examples."""
PROBLEMS: tuple[Problem, ...] = get_args(Problem)


class TrainingModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ChatMessage(TrainingModel):
    """A message in the format of chat completions, which all training tools read."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: list[dict[str, JsonValue]] = []
    tool_call_id: str = ""

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(exclude_defaults=True, exclude={"role", "content"}) | {
            "role": self.role,
            "content": self.content,
        }


class CitedVersion(TrainingModel):
    """A version of a document that an answer cites."""

    document: str
    version: int
    location: str = ""


class TrainingExample(TrainingModel):
    """``contact``: a digest, by which examples are split. ``question``: what the contact asked. ``prompt``: the
    request, ``tools``: the functions that could be called. ``chosen``: the answer to learn, empty if there is none;
    ``rejected``: an answer that was not wanted, and ``note`` why. ``model``: that wrote the chosen answer, or the
    rejected one if a person wrote the other. ``is_exact``: the digest of the prompt is that of a recorded request.
    ``problem``: why it cannot be used; then it has no text."""

    id: str
    conversation: str
    contact: str
    channel: str
    language: str = ""
    at: datetime
    source: Source
    question: str = ""
    prompt: list[ChatMessage] = []
    tools: list[dict[str, JsonValue]] = []
    chosen: str = ""
    rejected: str = ""
    reason: str = ""
    note: str = ""
    model: str = ""
    documents: list[CitedVersion] = []
    is_exact: bool = False
    problem: Problem | None = None

    @property
    def declines(self) -> bool:
        """True if the answer to learn is that the passages have none."""
        return self.chosen == NOT_FOUND

    @property
    def by_person(self) -> bool:
        return self.source in WRITTEN_BY_PEOPLE

    def without_text(self, problem: Problem) -> TrainingExample:
        """The example with the reason why it is not used. Nothing of what was said is left in it."""
        empty: dict[str, object] = {"question": "", "prompt": [], "tools": [], "chosen": "", "rejected": "", "note": ""}
        return self.model_copy(update=empty | {"problem": problem})

    def to_sft(self) -> dict[str, Any]:
        """A row of supervised training."""
        answer = {"role": "assistant", "content": self.chosen}
        return {"messages": [*self._messages(), answer], **self._tools()}

    def to_dpo(self) -> dict[str, Any]:
        """A row of preference training, in pairs."""
        return {"prompt": self._messages(), "chosen": _answer(self.chosen), "rejected": _answer(self.rejected)}

    def to_kto(self) -> list[dict[str, Any]]:
        """Rows of preference training without pairs."""
        labelled = [(text, label) for text, label in ((self.chosen, True), (self.rejected, False)) if text]
        return [{"prompt": self._messages(), "completion": _answer(text), "label": label} for text, label in labelled]

    def _messages(self) -> list[dict[str, Any]]:
        return [message.to_json() for message in self.prompt]

    def _tools(self) -> dict[str, Any]:
        return {"tools": self.tools} if self.tools else {}


def _answer(text: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text}]
