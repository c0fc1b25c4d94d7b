"""A lookup table has no order of rows: tables are compared by their keys."""

import numpy as np
import pytest

tf = pytest.importorskip("tensorflow")

import ckptread

WORDS = [f"word{n}" for n in range(40)]


def table_of(path, words, values, dtype=tf.int64, **options):
    table = tf.lookup.experimental.MutableHashTable(tf.string, dtype, **{"default_value": -1, **options})
    for word, value in zip(words, values, strict=True):
        table.insert(tf.constant([word]), tf.constant([value], dtype))
    return tf.train.Checkpoint(table=table).write(str(path))


def statuses(a, b, **options):
    found = ckptread.diff(a, b, **options)
    return [(entry.name.rpartition("-")[2], entry.status, entry.reason) for entry in found.tensors]


@pytest.fixture(scope="module")
def forwards(tmp_path_factory):
    return table_of(tmp_path_factory.mktemp("tables") / "a", WORDS, range(40))


def test_a_table_that_was_filled_in_another_order_is_the_same(run, forwards, tmp_path):
    other = table_of(tmp_path / "b", WORDS[::-1], range(39, -1, -1))
    with ckptread.open(forwards) as a, ckptread.open(other) as b:
        key = "table/.ATTRIBUTES/table-keys"
        assert a[key][...].tolist() != b[key][...].tolist()
    assert {status for _, status, _ in statuses(forwards, other)} <= {"reordered", "same"}
    ran = run("diff", forwards, other)
    assert ran.code == 0
    assert "rows in another order" in ran.out


def test_a_value_that_changed_is_one_change(forwards, tmp_path):
    other = table_of(tmp_path / "b", WORDS[::-1], [139, *range(38, -1, -1)])
    found = {entry.name.rpartition("-")[2]: entry for entry in ckptread.diff(forwards, other).tensors}
    assert found["keys"].status == "reordered"
    assert found["values"].status == "changed"
    assert (found["values"].change.changed, found["values"].change.max_abs) == (1, 100)


def test_keys_of_one_side_are_counted(forwards, tmp_path):
    renamed = table_of(tmp_path / "b", ["new", *WORDS[:0:-1]], [0, *range(39, 0, -1)])
    assert statuses(forwards, renamed) == [
        (name, "changed", "1 key only in A, 1 key only in B") for name in ("keys", "values")
    ]
    shorter = table_of(tmp_path / "c", WORDS[:10:-1], range(39, 10, -1))
    assert {(status, reason) for _, status, reason in statuses(forwards, shorter)} == {("shape", "11 keys only in A")}


def test_rows_of_vectors_and_of_empty_buckets(tmp_path):
    def dense(path, keys):
        table = tf.lookup.experimental.DenseHashTable(
            tf.int64, tf.float32, tf.constant([0.0, 0.0]), empty_key=-1, deleted_key=-2, initial_num_buckets=16
        )
        for key in keys:
            table.insert(tf.constant([key], tf.int64), tf.constant([[key, key / 2]], tf.float32))
        return tf.train.Checkpoint(table=table).write(str(path))

    keys = [1, 17, 33, 4, 20]  # of one bucket each, by their remainders
    a, b = dense(tmp_path / "a", keys), dense(tmp_path / "b", keys[::-1])
    assert ckptread.diff(a, b).same
    assert not ckptread.diff(a, dense(tmp_path / "c", [1, 17, 33, 4, 21])).same


def test_tables_of_tensorflow_1(tmp_path):
    def saved(path, words):
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1, name="vocabulary")
            inserted = table.insert(tf.constant(words), tf.constant([int(w[4:]) for w in words], tf.int64))
            plain = tf.compat.v1.get_variable("plain", initializer=np.arange(3.0))
            session.run([tf.compat.v1.global_variables_initializer(), inserted])
            saver = tf.compat.v1.train.Saver({"plain": plain, "vocabulary": table})
            return saver.save(session, str(path), write_meta_graph=False)

    assert ckptread.diff(saved(tmp_path / "a", WORDS), saved(tmp_path / "b", WORDS[::-1])).same


def test_the_order_of_other_tensors_counts(tmp_path):
    for name, order in (("a", 1), ("b", -1)):
        variables = {"x-values": tf.Variable(np.arange(4.0)[::order]), "x-keys": tf.Variable(np.arange(4)[::order])}
        tf.train.Checkpoint(**{key.replace("-", "_"): value for key, value in variables.items()}).write(
            str(tmp_path / name)
        )
    assert not ckptread.diff(tmp_path / "a", tmp_path / "b").same
