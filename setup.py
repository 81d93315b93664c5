"""Packaging: `pip install .` gives importable `amr_tf`, `trainers` and `tfrecords`."""

import pathlib

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent


def requirements() -> list[str]:
    """The lines of requirements.txt, the one list of what the project needs."""
    lines = (HERE / "requirements.txt").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


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
    install_requires=requirements(),
    extras_require={
        "test": ["pytest>=8", "pytest-xdist>=3", "hypothesis>=6", "ruff==0.17.6"],
        "beam": ["apache-beam>=2.77,<3"],
        "vggsounder": ['vggsounder>=1.0,<2; python_version >= "3.11"'],
        "bench": ["librosa>=0.10", "torch>=2.1"],
        "gpu": [
            'tensorflow[and-cuda]==2.15.1; python_version < "3.12"',
            'tensorflow[and-cuda]>=2.21,<3; python_version >= "3.12"',
        ],
    },
)
