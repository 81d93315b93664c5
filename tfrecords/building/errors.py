"""The error for a clip that cannot be used, with a reason from a small vocabulary."""


class MediaError(Exception):
    """The error for a clip that cannot be used.

    Attributes:
        reason: String, a short name from a small vocabulary: `missing`, `lfs pointer`,
            `unreadable`, `no audio stream`, `no video stream`, `no text`, `truncated`, `too short`,
            `too large`, `not finite`, `silent`, `still`, `undecodable`.
        detail: String, what was seen, and what to do about it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
