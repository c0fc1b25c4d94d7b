"""Checkpoints in a bucket: of a server that speaks S3."""

import shutil

import h5py
import numpy as np
import pytest

import ckptread
from tests.conformance.cases import FIXTURES

pytest.importorskip("obstore")
boto3 = pytest.importorskip("boto3")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def client():
    """A client of an S3 server, with the environment that leads ckptread to it."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host.replace('0.0.0.0', '127.0.0.1')}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": endpoint, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="models")
        yield client
    server.stop()


def upload(client, folder, prefix):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            client.upload_file(str(path), "models", f"{prefix}/{path.relative_to(folder)}")


@pytest.mark.parametrize(
    ("fixture", "name"),
    [
        ("keras3", "model.keras"), ("keras3", "model.weights.h5"), ("tf-shards", "model"), ("tf-object", ""),
        ("tf-object", "checkpoint"), ("saved-model-keras", ""), ("keras3-folder/model", ""),
        ("tf-v1-sharded", "model.ckpt"), ("safetensors", "model.safetensors.index.json"),
        ("keras3-shards", "model.weights.json"), ("numpy", "stored.npz"),
    ],
)  # fmt: skip
def test_what_is_in_a_bucket_is_what_is_on_the_disk(client, fixture, name):
    folder = FIXTURES / fixture
    if not folder.exists() or not (folder / name).parent.exists():
        pytest.skip("there is no such fixture")
    upload(client, folder, fixture)
    address = f"s3://models/{fixture}/{name}".rstrip("/")
    try:
        local = ckptread.open(folder / name)
    except ckptread.CheckpointError as error:
        with pytest.raises(type(error)):
            ckptread.open(address)
        return
    with local, ckptread.open(address) as remote:
        assert list(remote) == list(local)
        assert ckptread.diff(remote, local).same
        assert ckptread.digest(remote).whole == ckptread.digest(local).whole


def test_the_steps_of_a_run_in_a_bucket_are_its_history(client, tmp_path, run):
    for step in (1, 2, 10):
        with h5py.File(tmp_path / f"step-{step}.h5", "w") as file:
            file["w"] = np.full(3, step, "f4")
    upload(client, tmp_path, "run")
    ran = run("history", "s3://models/run")
    assert ran.code == 0, ran
    assert all(f"{step}" in ran.out for step in (1, 2, 10))


def test_an_object_that_is_replaced_is_never_a_mixture(client, tmp_path):
    np.save(tmp_path / "w.npy", np.zeros(100_000))
    client.upload_file(str(tmp_path / "w.npy"), "models", "changing/w.npy")
    with ckptread.open("s3://models/changing/w.npy") as reader:
        np.save(tmp_path / "w.npy", np.ones(100_000))
        client.upload_file(str(tmp_path / "w.npy"), "models", "changing/w.npy")
        with pytest.raises(ckptread.DamagedFileError, match="it changed while it was read"):
            reader["w"][...]


def test_what_a_bucket_does_not_have_is_said_with_the_nearest_name(client, tmp_path, run):
    shutil.copy(FIXTURES / "keras3" / "model.keras", tmp_path)
    upload(client, tmp_path, "typo")
    ran = run("inspect", "s3://models/typo/modle.keras")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "there is no such file or checkpoint" in ran.err
    assert "s3://models/typo/model.keras" in ran.err
    ran = run("inspect", "s3://no-such-bucket/a.h5")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "there is no such bucket" in ran.err


def test_an_empty_object_is_no_checkpoint(client, run):
    client.put_object(Bucket="models", Key="empty/model.h5", Body=b"")
    ran = run("inspect", "s3://models/empty/model.h5")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "empty" in ran.err


def test_a_state_file_never_leads_out_of_its_folder(client, tmp_path):
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "../../other/model"\n')
    upload(client, tmp_path, "out/of")
    upload(client, FIXTURES / "tf-shards", "other")
    with pytest.raises(ckptread.CheckpointError):
        ckptread.open("s3://models/out/of")
