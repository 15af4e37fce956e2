"""The `[retention]` section of collector.toml: how long points, minutes and hours are kept."""

from __future__ import annotations

from pydantic import Field, model_validator

from foundation.tomlfile import StrictModel

_DAYS_MAX = 36_500


class RetentionSection(StrictModel):
    """Left out: for ever. Nothing is deleted that nobody has asked to be deleted."""

    raw_days: int | None = Field(default=None, ge=1, le=_DAYS_MAX)
    minute_days: int | None = Field(default=None, ge=1, le=_DAYS_MAX)
    hour_days: int | None = Field(default=None, ge=1, le=_DAYS_MAX)

    @model_validator(mode="after")
    def _coarser_stays_longer(self) -> RetentionSection:
        for finer, coarser in (("raw_days", "minute_days"), ("minute_days", "hour_days")):
            kept, longer = getattr(self, finer), getattr(self, coarser)
            if longer is not None and (kept is None or kept > longer):
                raise ValueError(
                    f"{coarser} = {longer} is less than {finer}; what is coarser must be kept as long or longer"
                )
        return self
