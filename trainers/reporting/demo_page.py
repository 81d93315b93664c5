"""The demo's page in Gradio: what is given on the left, what models say of it on the right."""

import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before the import, which reads it

import gradio as gr
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from amr_tf.modalities import Modality
from tfrecords import stored
from trainers.reporting import demo_result
from trainers.running import demo_files
from trainers.running.demo_files import Refused
from trainers.running.explainer import Explainer

# The browser itself refuses to fetch anything from elsewhere, whatever Gradio's files ask for.
_POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; "
    "form-action 'self'; frame-ancestors 'self'"
)
_CSS = "footer { display: none !important; } .gradio-container { max-width: 90rem !important; }"


def build(
    models: Mapping[str, Explainer], directory: pathlib.Path, seconds: float | None = None
) -> gr.Blocks:
    """Builds the page.

    Args:
        models: Mapping, a model's name -> the model; one, or two side by side.
        directory: Path, where texts are written for the time of the demo.
        seconds: Number, the length of windows, as for `Predictor.label`.
    """
    inputs = {n: m for one in models.values() for n, m in one.predictor.inputs.modalities.items()}
    whole = demo_files.in_a_clip(inputs)

    def show(
        clip: str | None, recording: str | None, without: Sequence[str], *separate: Any
    ) -> str:
        try:
            files = demo_files.given(
                clip or recording, dict(zip(inputs, separate, strict=True)), inputs, directory
            )
            left_out = tuple(name for name in inputs if name in without and name in files)
            if set(left_out) == set(files):
                raise Refused("Everything is left out: leave something for the model.")
            return demo_result.result(models, files, left_out, seconds)
        except Refused as problem:
            return demo_result.message(str(problem))

    with gr.Blocks(title=" and ".join(models), analytics_enabled=False) as page:
        with gr.Row():
            with gr.Column(scale=1, min_width=280):
                gr.Markdown(_introduction(inputs))
                clip, recording = _clip(inputs, whole)
                with _separate_files(whole):
                    separate = [_input(name, modality) for name, modality in inputs.items()]
                without = gr.CheckboxGroup(
                    [(modality.called(name), name) for name, modality in inputs.items()],
                    label="Leave out, and see what the model says then",
                    visible=len(inputs) > 1,
                    elem_id="without",
                )
            with gr.Column(scale=3, min_width=480):
                shown = gr.HTML(show(None, None, (), *([None] * len(inputs))), elem_id="result")
        taken = [clip, recording, without, *separate]
        gr.on(
            [one.submit if isinstance(one, gr.Textbox) else one.change for one in taken],
            show, taken, shown, api_visibility="private", show_progress="minimal",
        )  # fmt: skip
    return page


def launch(page: gr.Blocks, host: str, port: int) -> None:
    """Serves the page until `page.close()`; nothing of it or of Gradio asks for the network.

    Args:
        page: Blocks, the page.
        host: String, the address to listen on.
        port: Integer, the port to listen on.

    Raises:
        OSError: The port is in use.
    """
    system = ["system-ui", "sans-serif"]
    page.launch(
        server_name=host,
        server_port=port,
        share=False,
        quiet=True,
        ssr_mode=False,
        inbrowser=False,
        prevent_thread_lock=True,
        footer_links=[],
        enable_monitoring=False,
        max_file_size=demo_files.MAX_MEGABYTES * 2**20,
        theme=gr.themes.Default(font=system, font_mono=["monospace"]),
        css=_CSS,
        app_kwargs={"middleware": [Middleware(_OnlyFromHere)]},
    )


class _OnlyFromHere:
    """Adds `_POLICY` to what the server answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                header = (b"content-security-policy", _POLICY.encode())
                message["headers"] = [*message["headers"], header]
            await send(message)

        await self._app(scope, receive, sending)


def _introduction(inputs: Mapping[str, Modality]) -> str:
    return (
        f"### What does the model make of it?\nIt takes {demo_files.taken(inputs)}. "
        f"{demo_files.limits()} Nothing leaves the machine that this demo runs on."
    )


def _clip(inputs: Mapping[str, Modality], whole: Sequence[str]) -> tuple[gr.File, Any]:
    """A file that holds several modalities, or a recording in its place."""
    words = demo_files.taken({name: inputs[name] for name in whole})
    with gr.Tabs(visible=bool(whole)):
        with gr.Tab("Clip"):
            clip = gr.File(label=f"A file with {words}", height=170, elem_id="clip")
        with gr.Tab("Record"):
            recording = gr.Video(
                sources=["webcam"],
                label=f"Record {words}; a clip that is given counts first",
                webcam_options=gr.WebcamOptions(mirror=False),
            )
    return clip, recording


def _separate_files(whole: Sequence[str]) -> Any:
    if not whole:
        return gr.Column()
    return gr.Accordion("Or a file for each, in the place of what the clip holds", open=False)


def _input(name: str, modality: Modality) -> Any:
    """The field that takes one modality: a text is written, everything else is a file."""
    word, options = modality.called(name).capitalize(), {"elem_id": f"input-{name}"}
    if demo_files.is_text(modality):
        return gr.Textbox(label=word, placeholder="Write here, and press Enter.", **options)
    endings = sorted(stored.find(modality.stored()).endings)
    return gr.File(label=f"{word} ({', '.join(endings[:4])} ...)", height=170, **options)
