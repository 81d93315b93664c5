"""Why a clip cannot be used, told by a reason from a small vocabulary."""


class MediaError(Exception):
    """Why a clip cannot be used.

    Attributes:
        reason: A short name, from a small vocabulary: `missing`, `lfs pointer`, `unreadable`,
            `no audio stream`, `no video stream`, `no text`, `truncated`, `too short`, `too large`,
            `not finite`, `silent`, `still`, `undecodable`.
        detail: What was seen, and what to do about it.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"
