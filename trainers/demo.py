"""Shows a trained model in the browser: `python -m trainers.demo --model_dir=DIR`.

Give the page a clip, or a file for each modality: it shows the likeliest labels, the modalities'
shares of the decision, now and over time, and Grad⊙Input carried back to the spectrogram, the
frames, the words. Modalities can be left out, to see what the model says without them, and
--against=DIR shows a second model beside the first.

The page is served from this machine to this machine (--host), and nothing is fetched from or sent
to the network. Files that are given are deleted at the end. Needs `pip install '.[demo]'`.
"""

import importlib.util
import os
import pathlib
import signal
import tempfile
import threading

from absl import flags

from trainers.running import command, windows
from trainers.running.explainer import Explainer


def define() -> None:
    """Defines the flags."""
    flags.DEFINE_string("model_dir", "", "Directory of a finished `trainers.fit`.")
    flags.DEFINE_string("against", "", "Directory of another finished run, to show beside it.")
    flags.DEFINE_string("host", "127.0.0.1", "Address to listen on; 0.0.0.0 shows it to others.")
    flags.DEFINE_integer("port", 7860, "Port to listen on.", lower_bound=1, upper_bound=65_535)
    windows.define_flag()


def demo() -> None:
    """Serves the page until it is interrupted."""
    values = flags.FLAGS
    with command.user_errors(), tempfile.TemporaryDirectory(prefix="amr-demo-") as directory:
        if importlib.util.find_spec("gradio") is None:
            raise ImportError(
                "the demo needs gradio: run `pip install '.[demo]'` where the project lies"
            )
        # what ends it deletes the files that were given, whoever asks for the end
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        models = load(values.model_dir, values.against)
        for model in models.values():
            model.predictor.check_window(values.window_seconds)
        os.environ["GRADIO_TEMP_DIR"] = directory
        from trainers.reporting import demo_page  # what few have installed

        page = demo_page.build(models, pathlib.Path(directory), values.window_seconds)
        demo_page.launch(page, values.host, values.port)
        print(f"demo         http://{values.host}:{values.port} (end it by Ctrl+C)", flush=True)
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def load(model_dir: str, against: str) -> dict[str, Explainer]:
    """The models to show.

    Args:
        model_dir: String, the directory of a run.
        against: String, that of another one; empty for none.

    Returns:
        The name of a run's directory -> its model.

    Raises:
        ValueError: There is no run, it is damaged, or the two take different things of one name.
        FileNotFoundError: There is no such directory.
    """
    directories = [command.required_directory("model_dir", model_dir)]
    if against:
        directories.append(command.required_directory("against", against))
    names = [directory.resolve().name for directory in directories]
    if len(set(names)) < len(names):
        names = [str(directory) for directory in directories]
    if len(set(names)) < len(names):
        raise ValueError(f"--against={against} is the run of --model_dir: name another one")
    models = {n: Explainer.of_run(d) for n, d in zip(names, directories, strict=True)}
    kinds: dict[str, str] = {}
    for model in models.values():
        for name, modality in model.predictor.inputs.modalities.items():
            if kinds.setdefault(name, modality.stored()) != modality.stored():
                raise ValueError(
                    f"--against={against}: {name} is {modality.stored()} there and {kinds[name]} "
                    "in the run of --model_dir"
                )
    return models


def main() -> None:
    """The command, also as `amr-demo`."""
    command.run(define, demo)


if __name__ == "__main__":
    main()
