import pathlib
import socket
import threading

import pytest
import tensorflow as tf

from amr_tf.modalities import TextConfig
from tests.tfrecords import serving
from tests.tfrecords.reading.test_pipeline import INPUTS, labels, make, same, take, write
from tests.tfrecords.stored import sets
from tfrecords.datasets import find
from tfrecords.reading import clips, data_service, machines
from tfrecords.reading.data_service import ServedPipeline
from tfrecords.reading.records import CorruptRecord


@pytest.fixture(scope="module")
def two():
    with serving.command() as (_, one), serving.command() as (_, other):
        yield one, other


@pytest.fixture
def directory(tmp_path):
    return write(tmp_path)


def served(directory, addresses, **options):
    defaults = {"inputs": INPUTS, "batch_size": 4, "seed": 3}
    return ServedPipeline(directory, addresses=addresses, **(defaults | options))


@pytest.mark.parametrize("count", [1, 2])
def test_batches_are_those_of_the_pipeline_from_any_step(directory, two, count):
    local = make(directory, cache="no", batch_size=5)  # 2 clips of each epoch are left over
    stream = take(local.train(), 9)
    lent = served(directory, two[:count], batch_size=5)
    lent.check()
    for start in (0, 2, 5):
        assert same(stream[start:], take(lent.train(start), 9 - start))
    assert lent.clips_of_step(3) == local.clips_of_step(3)
    assert same(take(lent.evaluate("test"), -1), take(local.evaluate("test"), -1))


def test_an_epoch_is_each_clip_once(directory, two):
    order = labels(take(served(directory, two).train(), 6))
    assert [sorted(order[i : i + 12]) for i in (0, 12)] == [list(range(12))] * 2


def test_a_machine_makes_its_own_batches_alone(directory, two, monkeypatch):
    """In the process of the tests, where Python code in the pipeline would run, too."""
    positions = []
    pipeline = make(directory, cache="no")
    cut = pipeline._training_clip

    def noting(position, stored):
        noted = tf.numpy_function(lambda p: positions.append(int(p)), [position], [])
        with tf.control_dependencies([noted]):
            return cut(tf.identity(position), stored)

    monkeypatch.setattr(pipeline, "_training_clip", noting)
    stream = pipeline._stream(1, (0, 2))  # without the service: steps 2, 4, ...
    assert same(take(stream, 2), take(make(directory, cache="no").train(), 5)[2::2])
    assert positions
    assert {p // 4 % 2 for p in positions} == {0}


def test_a_relative_directory_is_where_it_is_here(directory, two, monkeypatch):
    monkeypatch.chdir(directory)
    shards = served(pathlib.Path(), two)._own_shards()
    assert shards == [str(directory / pathlib.Path(path).name) for path in shards]


def test_texts_keep_their_vocabulary(tmp_path, two):
    rows = "".join(f"train,a,word{k} and more\n" for k in range(6))
    sets.listed(tmp_path, f"split,label,text\n{rows}test,a,more\nvalidation,a,more\n")
    sets.built(find("manifest")(), tmp_path, tmp_path / "out")
    inputs = {"text": TextConfig(("more", "word1", "word4"), length=3)}
    options = {"inputs": inputs, "batch_size": 2}
    lent = served(tmp_path / "out", two, **options)
    lent.check()
    assert same(
        take(lent.train(), 5), take(make(tmp_path / "out", cache="no", **options).train(), 5)
    )


def test_devices_share_a_batch(directory, two, strategy):
    local = make(directory, cache="no")
    wanted = take(local.train(), 2)
    batches = strategy.experimental_distribute_dataset(served(directory, two).train())
    for (_, label), (_, shared) in zip(wanted, batches, strict=False):
        parts = strategy.experimental_local_results(shared)
        assert len(parts) == strategy.num_replicas_in_sync
        assert tf.concat(parts, 0).numpy().tolist() == label.tolist()


@pytest.mark.parametrize(
    "text", ["cpu0", "cpu0:", ":5050", "cpu0:x", "cpu0:0", "cpu0:65536", "grpc://cpu0:5050",
             "cpu0:5050,", "cpu0:5050, cpu1:5050"]
)  # fmt: skip
def test_malformed_addresses_are_refused(text):
    with pytest.raises(ValueError, match=r"is not an address: write HOST:PORT"):
        machines.parse(text)


def test_addresses():
    assert machines.parse("") == ()
    assert machines.parse("cpu0:5050,[::1]:1") == ("cpu0:5050", "[::1]:1")
    with pytest.raises(ValueError, match="names a machine twice"):
        machines.parse("cpu0:5050,cpu0:5050")


@pytest.mark.parametrize("options", [{"cache": "yes"}, {"worker": (0, 2)}, {"skip_corrupt": True}])
def test_what_machines_cannot_do_is_refused(directory, options):
    with pytest.raises(ValueError, match="feeds one process, keeps no clips"):
        served(directory, ("cpu0:5050",), **options)


@pytest.mark.parametrize("host", ["localhost", "no-such-machine.invalid", "x" * 64])
def test_a_machine_that_is_not_there_is_said(directory, host, two):
    lent = served(directory, (two[0], f"{host}:{serving.free_port()}"))
    with pytest.raises(
        machines.ServiceError, match=rf"nothing answers at {host}:\d+: `python -m tfrecords\.serve`"
    ):
        lent.check()


def test_what_answers_and_makes_nothing_is_said(directory, monkeypatch):
    monkeypatch.setattr(data_service, "PROBE_SECONDS", 0.5)
    with socket.create_server(("localhost", 0)) as other:
        lent = served(directory, (f"localhost:{other.getsockname()[1]}",))
        with pytest.raises(machines.ServiceError, match=r"made nothing in 0\.5 s: is it a machine"):
            lent.check()


def test_records_that_are_not_there_or_others_are_said(directory, two, monkeypatch):
    lent, shard = served(directory, two), directory / "train-00001.tfrecord"
    firsts = list(lent._firsts().as_numpy_iterator())
    monkeypatch.setattr(data_service, "_made", lambda *_: firsts[1:])
    with pytest.raises(machines.ServiceError, match=r"has other records in .* copy them anew"):
        lent.check()
    monkeypatch.undo()
    stream = lent.train()
    shard.rename(directory / "gone")  # as it would be on a machine that lacks it
    with (
        pytest.raises(
            machines.ServiceError, match=rf"localhost:\d+ says: {shard}; No such .*one path"
        ),
        machines.naming_failures(),
    ):
        take(stream, 4)


def test_python_code_in_the_pipeline_is_said_before_training(directory, monkeypatch):
    """A process of its own: in this one the code would be found."""
    cut = clips.cut_for_training

    def in_python(clip, *arguments):
        tf.numpy_function(lambda: None, [], [])
        return cut(clip, *arguments)

    monkeypatch.setattr(clips, "cut_for_training", in_python)
    with (
        serving.command() as (_, address),
        pytest.raises(machines.ServiceError, match=r"with Python code .* train without"),
    ):
        served(directory, (address,)).check()


def test_a_corrupt_record_is_named(directory, two):
    path = directory / "train-00001.tfrecord"
    content = bytearray(path.read_bytes())
    content[-40] ^= 1  # of the last record
    path.write_bytes(content)
    lent = served(directory, two)
    lent.check()
    with (
        pytest.raises(CorruptRecord, match=r"train-00001\.tfrecord, record 3, is corrupt"),
        lent.records.naming_corrupt_records(),
        machines.naming_failures(),
    ):
        take(lent.train(), 4)
    content[40] ^= 1  # of the first
    path.write_bytes(content)
    with pytest.raises(CorruptRecord, match=r"train-00001\.tfrecord, record 0, is corrupt"):
        lent.check()


def test_other_errors_pass():
    with pytest.raises(tf.errors.InternalError, match="of mine"), machines.naming_failures():
        raise tf.errors.InternalError(None, None, "of mine")


def test_an_unknown_failure_in_the_check_names_the_machine():
    with (
        pytest.raises(machines.ServiceError, match="cpu0:1 does not serve: of its own"),
        machines.naming_failures("cpu0:1"),
    ):
        raise tf.errors.InternalError(None, None, "of its own")


def test_a_machine_that_goes_is_noticed_and_one_that_comes_back_does_not_go_on(
    directory, two, monkeypatch
):
    monkeypatch.setattr(machines, "PAUSE_SECONDS", 0.05)
    lost = []
    noticed = threading.Event()

    def note(address):
        lost.append(address)
        noticed.set()

    port = serving.free_port()
    with serving.command(port) as (process, goes):
        lent = served(directory, (two[0], goes))
        iterator = iter(lent.train())
        next(iterator)
        with machines.watched(lent.addresses, note):
            process.kill()
            assert noticed.wait(120)
        assert lost == [goes]
    with (
        serving.command(port),
        pytest.raises(machines.Restarted, match="was started anew"),
        machines.naming_failures(),
    ):
        list(iterator)  # what was made before comes first


def test_a_batch_out_of_its_place_is_no_batch():
    """What a worker that begins anew would send."""
    batches = tf.data.Dataset.from_tensor_slices(([0, 1, 0], [[5], [6], [5]]))
    numbered = batches.map(lambda n, x: (tf.cast(n, tf.int64), x)).enumerate()
    placed = iter(numbered.map(data_service._in_its_place))
    assert [next(placed).numpy().tolist() for _ in range(2)] == [[5], [6]]
    with pytest.raises(machines.Restarted), machines.naming_failures():
        next(placed)
