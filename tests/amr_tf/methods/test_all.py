"""What holds for every method: strength 0 is naive, saving, replicas, heads, three modalities."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import amr_tf
from amr_tf import heads, saving
from amr_tf.heads import HEADS
from amr_tf.methods.base import HELD_OUT
from tests.amr_tf.methods.steps import (
    METHODS,
    TAUGHT,
    blending,
    classifier,
    data,
    teachers,
    variables,
    walked,
)
from tests.amr_tf.models import encoder, largest_difference, of_parts
from tests.conftest import mirrored

STRENGTH_0 = {
    "agm": lambda: amr_tf.methods.AGM(0.0),
    "cggm": lambda: amr_tf.methods.CGGM(rho=0.0, weight=0.0),
    "cml": lambda: amr_tf.methods.CML(weight=0.0, subset_weight=0.0),
    "g2d": lambda: amr_tf.methods.G2D(teachers(), (), feature_weight=0.0, logit_weight=0.0),
    "gge": lambda: amr_tf.methods.GGE(strength=0.0),
    "inforeg": lambda: amr_tf.methods.InfoReg(strength=0.0),
    "modality_valuation": lambda: amr_tf.methods.ModalityValuation(warm_up=0, strength=0.0),
    "lfm": lambda: amr_tf.methods.LFM(strength=0.0),
    "lfm_learned": lambda: blending(amr_tf.methods.LearnedLFM(strength=0.0)),
    "mmpareto": lambda: amr_tf.methods.MMPareto(gamma=1.0, unimodal_weight=0.0),
    "mses": lambda: blending(amr_tf.methods.MSES(unimodal_weight=0.0)),
    "mslr": lambda: blending(amr_tf.methods.MSLR()),
    "ogm": lambda: amr_tf.methods.OGM(0.0, "ablation"),
    "ogm_attribution": lambda: amr_tf.methods.OGM(0.0, "attribution"),
    "ogm_ge": lambda: amr_tf.methods.OGMGE(0.0, "ablation", noise=0.0),
    "opm": lambda: amr_tf.methods.OPM(q_base=0.0, start=0),
    "pmr": lambda: amr_tf.methods.PMR(alpha=0.0, mu=0.0),
    "relearning": lambda: blending(amr_tf.methods.Relearning(strength=0.0, every=1)),
    "umt": lambda: amr_tf.methods.UMT(teachers(), weight=0.0),
}


def dataset(n):
    return tf.data.Dataset.from_tensor_slices(data(n)).batch(16)


def trained(method):
    model = classifier(method, hidden=8, run_eagerly=True)
    model.fit(dataset(32), epochs=2, verbose=0)
    return {key: value.numpy() for key, value in variables(model).items()}


@pytest.fixture(scope="module")
def naive():
    return trained(None)


@pytest.mark.parametrize("name", STRENGTH_0)
def test_strength_0_is_naive_bit_for_bit(name, naive):
    found = trained(STRENGTH_0[name]())
    for key, value in naive.items():
        np.testing.assert_array_equal(value, found[key], err_msg=key)


@pytest.mark.parametrize("name", METHODS)
def test_a_saved_model_trains_on_bit_for_bit(name, tmp_path, request):
    if name != "gradient_blending":  # of which each estimate is a training of many steps
        request.getfixturevalue("eagerly")
    model = classifier(METHODS[name](), batch_norm=True)
    model.fit(dataset(32), epochs=3, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = saving.load_model(tmp_path / "model.keras")
    assert loaded.method.get_config().keys() == model.method.get_config().keys()
    if HELD_OUT in loaded.method.requires:
        blending(loaded.method)
    for m in (model, loaded):
        m.fit(dataset(32), initial_epoch=3, epochs=5, verbose=0)
    assert largest_difference(model, loaded) == 0
    for a, b in zip(model.non_trainable_variables, loaded.non_trainable_variables, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy(), err_msg=a.name)


# of the others each is built of the same pieces as one of these
INTRICATE = ("agm", "gradient_blending", "mmpareto")
# where both encodings have one active feature, shares of cosines are shares of rounding
WITHOUT_AMR = ("mmcosine",)


@pytest.fixture(scope="module")
def two_replicas():
    return mirrored(2)


def difference_of_replicas(name, strategy, samples):
    """The largest between weights of one device and of replicas, after batches of 16."""

    def train():
        amr = {"amr_weight": 0.0} if name in WITHOUT_AMR else {"amr_ratio": (1, 9)}
        model = classifier(METHODS[name](), batch_norm=True, hidden=8, **amr)
        model.fit(dataset(samples), epochs=2, verbose=0)
        return model

    single = train()
    with strategy.scope():
        several = train()
    return largest_difference(single, several)


@pytest.mark.parametrize("name", walked(METHODS, slow=METHODS.keys() - set(INTRICATE)))
def test_two_replicas_equal_one(name, two_replicas):
    """In the last step one replica is empty."""
    assert difference_of_replicas(name, two_replicas, 33) < 1e-5


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("name", [n for n in METHODS if n not in INTRICATE])
def test_two_replicas_equal_one_without_graphs(name, two_replicas):
    """In the last step one has less; with an empty one Keras 3's `Add` fails without graphs."""
    assert difference_of_replicas(name, two_replicas, 31) < 1e-5


@pytest.mark.parametrize(
    "head",
    [pytest.param(h, marks=[] if h in ("concat", "film") else pytest.mark.slow) for h in HEADS],
)
@pytest.mark.parametrize("name", METHODS)
def test_every_head_with_amr(name, head):
    model = with_head(METHODS[name](), head)
    x, y = data(16)
    before = {key: v.numpy() for key, v in variables(model).items()}
    logs = model.train_step(({k: tf.constant(v) for k, v in x.items()}, tf.constant(y)))
    assert np.isfinite([float(v) for v in logs.values()]).all()
    changed = {
        k.split("/")[0] for k, v in variables(model).items() if (v != before[k]).numpy().any()
    }
    assert {"audio_encoder", "video_encoder", "head"} <= changed


def with_head(method, head):
    model = of_parts(
        {"audio": encoder(5, 4, 1, "audio_encoder"), "video": encoder(7, 6, 2, "video_encoder")},
        HEADS[head]([(4,), (6,)], 3, seed=1),
        method,
    )
    model.compile(keras.optimizers.SGD(0.1))
    return model


@pytest.mark.parametrize("name", [n for n in METHODS if not n.startswith((*TAUGHT, "gradient"))])
def test_three_modalities(name):
    sizes = {"audio": 5, "video": 7, "text": 4}
    model = of_parts(
        {m: encoder(n, 4, i, f"{m}_encoder") for i, (m, n) in enumerate(sizes.items())},
        heads.concat([(4,)] * 3, 3, hidden=6, seed=1),
        METHODS[name](),
    )
    model.compile(keras.optimizers.SGD(0.1))
    x, y = data(16)
    x["text"] = np.random.default_rng(0).normal(size=(16, 4)).astype("float32")
    before = [v.numpy() for v in model.trainable_variables]
    logs = model.train_step(({k: tf.constant(v) for k, v in x.items()}, tf.constant(y)))
    assert np.isfinite([float(v) for v in logs.values()]).all()
    after = [v.numpy() for v in model.trainable_variables]
    assert all((a != b).any() for a, b in zip(before, after, strict=True) if b.ndim > 1)


@pytest.mark.parametrize("name", METHODS)
def test_one_modality_is_refused(name):
    audio = encoder(5, 4, 1, "audio_encoder")
    with pytest.raises(ValueError, match="modalities: it needs at least 2, there is audio"):
        amr_tf.MultimodalClassifier({"audio": audio}, heads.concat([(4,)], 3), METHODS[name]())


@pytest.mark.parametrize("name", METHODS)
def test_a_missing_modality_is_left_out(name):
    """What stands in the place of absent video changes nothing, and all stays finite."""
    x, y = data(16)
    presence = np.ones((16, 2), np.float32)
    presence[::2, 1] = 0
    found = []
    for filler in (0.0, 3.0):
        inputs = {
            **x,
            "presence": presence,
            "video": np.where(presence[:, 1:] > 0, x["video"], filler),
        }
        inputs["video"] = inputs["video"].astype("float32")
        model = classifier(METHODS[name](), hidden=8)
        model.train_step(({k: tf.constant(v) for k, v in inputs.items()}, tf.constant(y)))
        found.append(model)
    assert np.isfinite([v.numpy().sum() for v in found[0].trainable_variables]).all()
    assert largest_difference(*found) < 1e-6
