"""A run's model as something to ask about files: what it says of them, and what of them decides."""

import dataclasses
import pathlib
from collections.abc import Mapping

from amr_tf.analysis.explanation import Explanation, explain
from amr_tf.model import MultimodalClassifier
from amr_tf.serving.encoded_media import raw_of_files
from trainers.config.run_config import Config
from trainers.running import inputs, media_files
from trainers.running.finished_run import load_classes, load_model
from trainers.running.predictor import Labelled, Predictor


@dataclasses.dataclass(frozen=True, eq=False)
class Explainer:
    """A model that labels files and explains what it says.

    Attributes:
        config: Config, the run's.
        model: MultimodalClassifier, the run's selected model.
        predictor: Predictor, the same model as one that labels files.
    """

    config: Config
    model: MultimodalClassifier
    predictor: Predictor

    @classmethod
    def of_run(cls, model_dir: pathlib.Path) -> "Explainer":
        """The model of a finished run.

        Args:
            model_dir: Path, the run's directory.

        Raises:
            ValueError: The run was trained with plug-ins that are not loaded, or is damaged.
            FileNotFoundError: There is no run.
        """
        config = Config.load(model_dir)
        model, taken = load_model(model_dir, compile=False), inputs.load(model_dir)
        return cls(config, model, Predictor.of_model(model, taken, load_classes(model_dir)))

    def explain(self, files: Mapping[str, str], labelled: Labelled) -> tuple[int, Explanation]:
        """Explains the window that speaks most clearly for what the model says.

        Args:
            files: Mapping, modality -> path of its file, or the value itself.
            labelled: Labelled, what the model says of them.

        Returns:
            The index of the window, and the explanation of a batch of that window.
        """
        taken = self.predictor.inputs
        window = labelled.clearest(self.predictor.task)
        (sent,) = media_files.read(
            [(files, labelled.windows[window])], taken.modalities, taken.settings
        )
        batch = media_files.batch([sent], taken.modalities)
        return window, explain(self.model, raw_of_files(batch, taken.modalities))
