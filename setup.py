"""Packaging: `pip install .` gives the library, `pip install '.[tools]'` the commands, too."""

import pathlib
import re

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


def version() -> str:
    """The version, whose one place is the library: it can't be imported before it is installed."""
    text = (HERE / "amr_tf" / "__init__.py").read_text()
    return re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE).group(1)


LIBRARY, TOOLS = requirements()
DEMO = ["gradio>=6,<7"]
setup(
    name="amr-tf",
    version=version(),
    description="Attribution regularisation for multimodal models in TensorFlow/Keras",
    long_description=(HERE / "README.md").read_text(),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    author="The maintainers of AMR for TensorFlow",
    keywords=["multimodal learning", "modality imbalance", "attribution", "TensorFlow", "Keras"],
    project_urls={"Paper": "https://arxiv.org/abs/2404.02359"},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: GPU :: NVIDIA CUDA",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.10",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["amr_tf*", "trainers*", "tfrecords*"]),
    package_data={
        **{package: ["py.typed"] for package in ("amr_tf", "tfrecords", "trainers")},
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
            "mypy>=1.18,<3",
        ],
        "beam": [*TOOLS, "apache-beam>=2.77,<3"],
        "vggsounder": [*TOOLS, 'vggsounder>=1.0,<2; python_version >= "3.11"'],
        "bench": [*TOOLS, "librosa>=0.10", "torch>=2.1"],
        "docs": [
            "mkdocs>=1.6,<2",
            "mkdocs-material>=9.7,<10",
            "mkdocstrings[python]>=1.0,<2",
            "l2m4m>=1.0.4,<2",
            "ruff==0.17.6",
        ],
        "gpu": [
            'tensorflow[and-cuda]==2.15.1; python_version < "3.12"',
            'tensorflow[and-cuda]>=2.21,<3; python_version >= "3.12"',
        ],
    },
)
