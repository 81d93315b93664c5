"""Packaging: `pip install .` gives the library, `pip install '.[tools]'` the commands, too."""

import pathlib

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
COMMANDS = {
    "amr-build": "tfrecords.build",
    "amr-inspect": "tfrecords.inspect",
    "amr-serve": "tfrecords.serve",
    "amr-fit": "trainers.fit",
    "amr-compare": "trainers.compare",
    "amr-evaluate": "trainers.evaluate",
    "amr-explain": "trainers.explain",
    "amr-predict": "trainers.predict",
    "amr-export": "trainers.export",
    "amr-demo": "trainers.demo",
}


def requirements() -> tuple[list[str], list[str]]:
    """The lines of requirements.txt: the library's, and those that only the commands need."""
    library, tools = (HERE / "requirements.txt").read_text().split("# tools\n")
    return _lines(library), _lines(tools)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line and not line.startswith("#")]


LIBRARY, TOOLS = requirements()
DEMO = ["gradio>=6,<7"]
setup(
    name="amr-tf",
    version="0.1.0",
    description="Attribution regularisation for multimodal models in TensorFlow/Keras",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["amr_tf*", "trainers*", "tfrecords*"]),
    package_data={
        "tfrecords.datasets": ["vggsound_classes.txt"],
        "trainers.reporting": ["templates/*.jinja"],
    },
    install_requires=LIBRARY,
    entry_points={
        "console_scripts": [f"{name} = {module}:main" for name, module in COMMANDS.items()]
    },
    extras_require={
        "tools": TOOLS,
        "demo": [*TOOLS, *DEMO],
        "test": [
            *TOOLS,
            *DEMO,
            "selenium>=4.20",
            "nbclient>=0.10",
            "ipykernel>=6",
            "pytest>=8",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "ruff==0.17.6",
        ],
        "beam": [*TOOLS, "apache-beam>=2.77,<3"],
        "vggsounder": [*TOOLS, 'vggsounder>=1.0,<2; python_version >= "3.11"'],
        "bench": [*TOOLS, "librosa>=0.10", "torch>=2.1"],
        "gpu": [
            'tensorflow[and-cuda]==2.15.1; python_version < "3.12"',
            'tensorflow[and-cuda]>=2.21,<3; python_version >= "3.12"',
        ],
    },
)
