"""Data: what a recipe may say under ``data:``."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Ratio(BaseModel):
    """The share of the training rows that becomes a split which the data does not bring."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    validation: float = Field(0.1, ge=0, lt=1, description="share cut off for validation when there is no such split")
    test: float = Field(0.0, ge=0, lt=1, description="share cut off for test when there is no such split")

    by: str | None = Field(
        None,
        description="role whose equal values stay together: groups are cut off, such as all questions of one context; "
        "scaffold: molecules of one Bemis-Murcko scaffold, the rarest into test, without chance",
    )

    @model_validator(mode="after")
    def _leaves_some(self) -> Ratio:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} + test {self.test} leave no rows to train on")
        return self


class Data(BaseModel):
    """Where a task's rows come from. In a recipe a plain string stands for ``{path: string}``."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    path: str = Field(min_length=1, description="a file, a folder, hf://NAME or builtin:NAME")
    format: str | None = Field(None, description="the reader's name; guessed from the file when not given")
    splits: dict[Split, str | list[str]] = Field(
        default_factory=dict,
        description="file, glob or folder of each split, relative to path; for hf:// the split's name there",
    )
    ratio: Ratio = Field(
        default_factory=Ratio, description="shares of train that make up missing splits, cut by the seed"
    )
    limit: int | dict[Split, int] | None = Field(
        None, description="use at most so many rows of each split, drawn by the seed"
    )
    header: bool | None = Field(None, description="CSV/TSV: the first line names the columns; guessed when not given")
    delimiter: str | None = Field(None, description='CSV/TSV: one character, or "tab"; guessed when not given')
    config: str | None = Field(None, description="hf://: the data set's configuration")
    revision: str | None = Field(None, description="hf://: branch, tag or commit")
    encoding: str = Field("utf-8", description="of text files")
    pattern: str | None = Field(
        None, description='recordings: what file names say, such as "{digit}_{speaker}_{take}"; each part is a column'
    )
    files: dict[str, str] = Field(
        default_factory=dict,
        description="column -> the file that its values name, such as {image_id: images/{}.png}",
    )
    values: dict[str, dict[str, str] | list[str]] = Field(
        default_factory=dict,
        description="column -> what its values stand for, such as {digit: [zero, one, two]}; others stay",
    )

    @model_validator(mode="before")
    @classmethod
    def _plain_string(cls, value: Any) -> Any:
        return {"path": value} if isinstance(value, str) else value

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value in ("tab", "\\t"):
            return "\t"
        if value is not None and (len(value) != 1 or value in '"\r\n'):
            raise ValueError(f'delimiter must be one character or "tab", got {value!r}')
        return value

    @field_validator("limit")
    @classmethod
    def _positive(cls, value: int | dict[Split, int] | None) -> int | dict[Split, int] | None:
        counts = value.values() if isinstance(value, dict) else [value]
        if any(n is not None and n < 1 for n in counts):
            raise ValueError(f"limit must be 1 or more, got {value}")
        return value

    @field_validator("files")
    @classmethod
    def _one_place(cls, value: dict[str, str]) -> dict[str, str]:
        for column, name in value.items():
            if name.count("{}") != 1:
                raise ValueError(f'{column}: "{name}" has no {{}} where the value goes, or more than one')
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "a".encode(value)
        except LookupError:
            raise ValueError(f'"{value}" is not a text encoding; utf-8, latin-1 and cp1252 are common') from None
        return value
