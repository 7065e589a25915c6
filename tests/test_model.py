"""The estimator: any labels and channels in, the same units and shape out, and whole files or a clear word."""

import contextlib
import copy
import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
import yaml
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import ncvqvae.storage.model_files
from ncvqvae import NCVQVAE, InputError
from ncvqvae.config import Config, from_dict
from ncvqvae.storage.model_files import FORMAT

TINY = {
    "tokenizer": {"hidden_channels": 8, "n_residual_blocks": 1, "codebook_size": 8},
    "stage1": {"batch_size": 8, "max_steps": 3, "projector_width": 16, "precision": "32-true"},
    "prior": {"width": 16, "head_width": 8, "n_layers": 1},
    "stage2": {"batch_size": 8, "max_steps": 3, "precision": "32-true"},
    "sampling": {"chunk_size": 7, "n_steps": 10, "choice_temperature": 16.0, "kept_share": 0.0, "time_warp": 0.0},
}
N, LENGTH = 18, 33


def series(channels: int = 1, mean: float = 100.0, sd: float = 10.0) -> np.ndarray:
    return np.random.default_rng(0).normal(mean, sd, size=(N, channels, LENGTH)).astype(np.float32)


def labels(kinds: list[Any]) -> list[Any]:
    """Labels of which the first kind is twice as frequent as each other."""
    return [kinds[max(0, i % (len(kinds) + 1) - 1)] for i in range(N)]


@pytest.fixture(scope="module")
def model() -> NCVQVAE:
    """Trained on one channel and three classes."""
    return NCVQVAE(settings=TINY, seed=1).fit(series(), labels(["up", "down", "flat"]))


@contextlib.contextmanager
def without_training() -> Iterator[None]:
    """All of ``fit`` but the steps themselves."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lightning.Trainer, "fit", lambda *_, **__: None)
        yield


def fitted_at_once(X: np.ndarray, y: Any = None, **settings: Any) -> NCVQVAE:
    with without_training():
        return NCVQVAE(settings={**TINY, **settings}).fit(X, y)


def reloaded(model: NCVQVAE, folder: Path) -> NCVQVAE:
    model.save_pretrained(folder)
    return NCVQVAE.from_pretrained(folder)


# ---------------------------------------------------------------- units, shapes, channels


def test_samples_and_reconstructions_are_in_the_units_of_the_data(model: NCVQVAE) -> None:
    # scaled data has mean 0: a forgotten inverse would be 100 away
    for made in (model.reconstruct(series()), model.sample(40).X, model.sample(40, unconditional=True).X):
        assert made.dtype == np.float32
        assert abs(made.mean() - 100) < 10
        assert made.std() < 30


@pytest.mark.parametrize("channels", [1, 3])
def test_channels_come_back_in_their_place(channels: int) -> None:
    X = series(channels) * 10.0 ** np.arange(channels)[:, None].astype(np.float32)
    fitted = fitted_at_once(X, labels(["a", "b"]))
    made = fitted.sample(9)
    assert made.X.shape == (9, channels, LENGTH) and made.y is not None and made.y.shape == (9,)
    np.testing.assert_allclose(made.X.mean((0, 2)), 100 * 10.0 ** np.arange(channels), rtol=0.2)
    assert fitted.reconstruct(X).shape == X.shape


def test_32_channels_each_in_its_own_units(tmp_path: Path) -> None:
    X = series(32) + 1000 * np.arange(32, dtype=np.float32)[:, None]
    NCVQVAE(settings=TINY).fit(X).save_pretrained(tmp_path)
    made = NCVQVAE.from_pretrained(tmp_path).sample(9).X
    assert made.shape == (9, 32, LENGTH)
    np.testing.assert_allclose(made.mean((0, 2)), X.mean((0, 2)), atol=100)


def test_series_without_a_channel_axis_come_back_without_one() -> None:
    flat = fitted_at_once(series()[:, 0])
    assert flat.sample(9).X.shape == (9, LENGTH)
    assert flat.reconstruct(series()[:, 0]).shape == (N, LENGTH)
    # the same series with the axis are the same series
    assert np.array_equal(flat.encode(series()), flat.encode(series()[:, 0]))


def test_embeddings_of_tokens_are_the_mean_code_of_the_grid(model: NCVQVAE) -> None:
    tokens = model.encode(series())
    codes = model.tokenizer_.codebook.numpy()
    assert tokens.dtype == np.int64 and tokens.shape == (N, model.tokenizer_.n_tokens)
    np.testing.assert_allclose(
        model.transform(series(), embedding="tokens"), codes[tokens].mean(1), rtol=1e-5, atol=1e-6
    )


def test_reconstruction_loss_is_that_of_the_chapter_in_scaled_units(model: NCVQVAE) -> None:
    X = series()
    x, x_hat = (torch.from_numpy(model.scaler_.transform(part)) for part in (X, model.reconstruct(X)))
    tokenizer = model.tokenizer_
    decoded = tokenizer.reconstruct(tokenizer.code_latents(torch.from_numpy(model.encode(X))))
    expected = (x - x_hat).square().mean() + (tokenizer.transform(x) - decoded.spectrogram).square().mean()
    assert model.reconstruction_loss(X) == pytest.approx(expected.item(), rel=1e-4)


def test_prior_loss_knows_the_class(model: NCVQVAE) -> None:
    y = labels(["up", "down", "flat"])
    assert model.prior_loss(series(), y) == model.prior_loss(series(), y) > 0
    assert model.prior_loss(series(), y) != model.prior_loss(series())


@pytest.mark.parametrize("shape", [(N, 2, LENGTH), (N, 1, LENGTH + 1)])
def test_series_of_another_shape_are_refused(model: NCVQVAE, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="this model was fitted on 1 and 33"):
        model.transform(np.zeros(shape, np.float32))


def test_series_shorter_than_the_window_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"7 time steps, fewer than the STFT window of 8; set a smaller tokenizer\.n_fft"
    ):
        NCVQVAE(settings=TINY).fit(np.random.default_rng(0).normal(size=(5, 7)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tokens: tokens[:, 1:], "this model takes integers of shape"),
        (lambda tokens: tokens * 1.0, "this model takes integers of shape"),
        (lambda tokens: tokens + 12, "codes are 0 to 11"),  # 4 for each of 3 classes
        (lambda tokens: tokens - 12, "codes are 0 to 11"),
        (lambda tokens: tokens[:0], "no tokens"),
    ],
)
def test_tokens_that_do_not_fit_are_refused(model: NCVQVAE, change: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        model.decode(change(model.encode(series())))


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    "kinds",
    [
        ["b", "a", "c"],
        ["1", "no", "null"],  # words that YAML could take for something else
        [3, -1, 0],
        [True, False],
        [0.5, 2.0],
        [1, "one"],
    ],
    ids=str,
)
def test_labels_of_every_kind_survive_fit_sample_and_files(kinds: list[Any], tmp_path: Path) -> None:
    fitted = fitted_at_once(series(), labels(kinds))
    for used in (fitted, reloaded(fitted, tmp_path)):
        drawn = used.sample(60).y.tolist()  # type: ignore[union-attr]
        assert {(type(label), label) for label in drawn} == {(type(kind), kind) for kind in kinds}
        for kind in kinds:
            y = used.sample(3, kind).y
            assert y is not None and y.tolist() == [kind] * 3


def test_labels_are_drawn_from_the_class_distribution_first(model: NCVQVAE) -> None:
    assert dict(zip(model.classes_, model.class_counts_, strict=True)) == {"down": 4, "flat": 4, "up": 10}
    n = 400
    y = model.sample(n, seed=3).y
    assert y is not None
    for label, count in zip(model.classes_, model.class_counts_, strict=True):
        p = count / N
        assert abs((y == label).mean() - p) < 4 * (p * (1 - p) / n) ** 0.5


def test_labels_one_for_all_or_one_per_series(model: NCVQVAE) -> None:
    wanted = ["up", "flat", "down", "up", "up", "flat", "down", "flat"]  # over the edge of a chunk
    for given in (wanted, np.array(wanted)):
        y = model.sample(8, given).y
        assert y is not None and y.tolist() == wanted
    one = model.sample(8, "flat").y
    assert one is not None and one.tolist() == ["flat"] * 8
    assert model.sample(8, unconditional=True).y is None


def test_the_label_reaches_the_prior(model: NCVQVAE) -> None:
    assert not np.array_equal(model.sample(7, "up", seed=0).X, model.sample(7, "down", seed=0).X)
    assert not np.array_equal(model.sample(7, "up", seed=0).X, model.sample(7, unconditional=True, seed=0).X)
    hidden = model.sample(8, unconditional=True, seed=0, hidden_class=True)
    assert hidden.y is None
    np.testing.assert_array_equal(hidden.X, model.sample(8, seed=0).X)  # the class is drawn, and not given out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), "cannot generate 0 series"),
        ((-3,), "cannot generate -3 series"),
        (("x",), "cannot generate 'x' series"),
        ((3, "sideways"), "unknown label 'sideways'; labels of this model: 'down', 'flat', 'up'"),
        ((3, "Upp"), "unknown label 'Upp'; did you mean 'up'? labels of this model: 'down'"),
        ((3, ["up", "up", 4]), "unknown label 4; labels of this model"),
        ((3, ["up", "down"]), "2 labels were given for 3 series"),
        ((3, "up", True), "labels were given for unconditional sampling"),
    ],
)
def test_bad_requests_are_refused_in_one_line(model: NCVQVAE, arguments: tuple[Any, ...], words: str) -> None:
    n, wanted, unconditional = (*arguments, None, False)[:3] if len(arguments) < 3 else arguments
    with pytest.raises(InputError) as error:
        model.sample(n, wanted, unconditional=bool(unconditional))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_unlabelled_series_make_an_unconditional_model(tmp_path: Path) -> None:
    fitted = NCVQVAE(settings=TINY).fit(series())
    assert len(fitted.classes_) == 0
    for used in (fitted, reloaded(fitted, tmp_path)):
        made = used.sample(9)
        assert made.y is None and made.X.shape == (9, 1, LENGTH)
        assert np.isfinite(used.prior_loss(series()))
        assert used.decoding_steps(3).probabilities.shape == (10, 3, used.tokenizer_.n_tokens)
        with pytest.raises(InputError, match="the training data had no labels"):
            used.sample(3, "up")


@pytest.mark.parametrize(("n_classes", "n_codes"), [(2, 8), (9, 27)])
def test_the_codebook_grows_with_the_classes(n_classes: int, n_codes: int, tmp_path: Path) -> None:
    settings = {**TINY, "tokenizer": {**TINY["tokenizer"], "codes_per_class": 3}}
    fitted = NCVQVAE(settings=settings).fit(series(), np.arange(N) % n_classes)
    for used in (fitted, reloaded(fitted, tmp_path)):
        assert len(used.tokenizer_.codebook) == used.prior_.n_codes == n_codes
        assert used.asked_.tokenizer.codebook_size == 8  # a bench knows its runs by what was asked
        assert used.config_.tokenizer.codebook_size == n_codes and used.config_.tokenizer.codes_per_class == 0


def test_the_codebook_grows_with_the_train_split(tmp_path: Path) -> None:
    settings = {**TINY, "tokenizer": {**TINY["tokenizer"], "tokens_per_code": 20}}
    fitted = NCVQVAE(settings=settings).fit(series())
    for used in (fitted, reloaded(fitted, tmp_path)):
        assert len(used.tokenizer_.codebook) == N * used.tokenizer_.n_tokens // 20 > 8


def test_one_class_is_enough() -> None:
    fitted = NCVQVAE(settings=TINY).fit(series(), ["only"] * N)
    y = fitted.sample(9).y
    assert y is not None and y.tolist() == ["only"] * 9


# ---------------------------------------------------------------- seeds and chunks


def test_the_seed_decides_what_is_drawn(model: NCVQVAE) -> None:
    first, again, other = model.sample(10, seed=5), model.sample(10, seed=5), model.sample(10, seed=6)
    assert np.array_equal(first.X, again.X) and first.y.tolist() == again.y.tolist()  # type: ignore[union-attr]
    assert not np.array_equal(first.X, other.X)
    assert np.array_equal(model.sample(10).X, model.sample(10, seed=1).X)  # the model's own seed


@pytest.mark.parametrize("n", [7, 8, 20])
def test_chunks_do_not_depend_on_how_many_follow(model: NCVQVAE, n: int) -> None:
    chunks = list(model.iter_samples(n, seed=2))
    assert [len(chunk.X) for chunk in chunks] == {7: [7], 8: [7, 1], 20: [7, 7, 6]}[n]
    assert np.array_equal(chunks[0].X, model.sample(7, seed=2).X)
    assert np.array_equal(np.concatenate([chunk.X for chunk in chunks]), model.sample(n, seed=2).X)


def test_no_two_chunks_are_alike(model: NCVQVAE) -> None:
    first, second = model.iter_samples(14, "up", seed=2)
    assert not np.array_equal(first.X, second.X)


def test_settings_of_one_draw(model: NCVQVAE) -> None:
    plain = model.sample(7, seed=2)
    assert not np.array_equal(plain.X, model.sample(7, seed=2, n_steps=1).X)
    assert not np.array_equal(plain.X, model.sample(7, seed=2, guidance_scale=3.0).X)
    assert np.array_equal(plain.X, model.sample(7, seed=2).X)  # the model's own settings stay
    with pytest.raises(InputError, match=r"unknown setting 'sampling\.n_step'; did you mean 'sampling.n_steps'"):
        model.sample(7, n_step=1)


def test_decoding_steps_are_those_of_selected_tokens(model: NCVQVAE) -> None:
    probabilities, entropies = model.decoding_steps(5)
    assert entropies.shape == probabilities.shape[:1]
    codebook_size = len(model.tokenizer_.codebook)
    known = entropies[~np.isnan(entropies)]
    assert len(known) and (known >= 0).all() and (known <= np.log(codebook_size) + 1e-5).all()
    assert probabilities.shape == (10, 5, model.tokenizer_.n_tokens)
    assert ((~np.isnan(probabilities)).sum(0) == 1).all()
    assert np.nanmin(probabilities) > 0 and np.nanmax(probabilities) <= 1


# ---------------------------------------------------------------- files


def test_saved_and_loaded_model_samples_the_same(model: NCVQVAE, tmp_path: Path) -> None:
    again = reloaded(model, tmp_path)
    for arguments in ({"seed": 4}, {"unconditional": True}, {"labels": "up"}):
        ours, theirs = model.sample(9, **arguments), again.sample(9, **arguments)
        assert np.array_equal(ours.X, theirs.X)
        assert (ours.y is None) == (theirs.y is None)
        assert ours.y is None or ours.y.tolist() == theirs.y.tolist()
    assert np.array_equal(model.encode(series()), again.encode(series()))
    assert model.seconds_ == again.seconds_


def test_config_yaml_reloads_to_the_same_config(model: NCVQVAE, tmp_path: Path) -> None:
    again = reloaded(model, tmp_path)
    assert again.config_ == model.config_
    written = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert from_dict(Config, written["model"]) == model.config_
    assert from_dict(Config, written["asked"]) == model.asked_ == again.asked_
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "tokenizer.safetensors", "prior.safetensors"}


def test_saving_again_changes_no_byte(model: NCVQVAE, tmp_path: Path) -> None:
    reloaded(model, tmp_path / "a").save_pretrained(tmp_path / "b")
    for name in ("config.yaml", "tokenizer.safetensors", "prior.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as error:
        NCVQVAE.from_pretrained(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["tokenizer.safetensors", "prior.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "empty", "truncated", "garbled", "of another model"])
def test_weights_that_are_not_whole_are_refused(model: NCVQVAE, name: str, damage: str, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "of another model":
        other = "prior" if name.startswith("tokenizer") else "tokenizer"
        path.write_bytes((tmp_path / f"{other}.safetensors").read_bytes())
    else:
        path.write_bytes(
            {"empty": b"", "truncated": whole[: len(whole) // 2], "garbled": b"x" * 40 + whole[40:]}[damage]
        )
    assert name in refusal(tmp_path)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "holds no trained model" in refusal(tmp_path)
    assert "no such folder" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"format: {FORMAT + 1}", f"format {FORMAT + 1}; this version reads up to {FORMAT}: upgrade ncvqvae"),
        ("format: new", "format 'new'"),
        ("", "is damaged"),
        ("format: [1", "is not valid YAML"),
    ],
)
def test_a_config_that_cannot_be_read_is_refused(model: NCVQVAE, text: str, words: str, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    (tmp_path / "config.yaml").write_text(text)
    assert words in refusal(tmp_path)


def test_a_failed_save_leaves_the_old_file(model: NCVQVAE, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model.save_pretrained(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def half_a_file(path: Path, *_: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(ncvqvae.storage.model_files, "write_weights", half_a_file)
    with pytest.raises(InputError, match="disk full"):
        model.save_pretrained(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_use_before_fit_says_so() -> None:
    for use in (lambda m: m.sample(3), lambda m: m.decode([[0]]), lambda m: m.save_pretrained("nowhere")):
        with pytest.raises(ValueError, match="not fitted yet"):
            use(NCVQVAE())


def test_checkpoints_of_other_settings_or_data_are_refused(tmp_path: Path) -> None:
    with without_training():
        NCVQVAE(settings=TINY, seed=0).fit(series(), checkpoints=tmp_path)
        NCVQVAE(settings=TINY, seed=0).fit(series(), checkpoints=tmp_path)
        for model, X in ((NCVQVAE(settings=TINY, seed=1), series()), (NCVQVAE(settings=TINY, seed=0), series() + 1)):
            with pytest.raises(InputError, match="other data or settings"):
                model.fit(X, checkpoints=tmp_path)


def test_a_loaded_model_clones_to_the_same_settings(model: NCVQVAE, tmp_path: Path) -> None:
    loaded = reloaded(model, tmp_path)
    assert clone(loaded)._config() == loaded.asked_ == model.asked_


ASKED: list[dict[str, Any]] = [
    {"preset": "quick"},
    {"preset": "paper", "ssl": "none", "seed": 5},
    {"ssl": "barlowtwins", "augmentation": "warp", "seed": 3},
    {"settings": {"ssl": "none", "prior.width": 16, "seed": 2, "stage1": {"max_steps": 7}}},
    {"settings": {"device": "cpu"}},
]
CHANGED: list[dict[str, Any]] = [
    {},
    {"seed": 7},
    {"ssl": "barlowtwins"},
    {"ssl": "none"},
    {"augmentation": "slice"},
    {"seed": 7, "ssl": "none", "augmentation": "none"},
    {"preset": "default"},
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_parameters_of_a_loaded_model_change_what_is_fitted(model: NCVQVAE, asked: dict[str, Any]) -> None:
    preset, config = asked.get("preset", "default"), NCVQVAE(**asked)._config()
    loaded = NCVQVAE._of_state(replace(model._state, preset=preset, asked=config))
    for changed in CHANGED:
        expected = NCVQVAE(**asked).set_params(**changed)._config()
        assert clone(loaded).set_params(**changed)._config() == expected, changed
        pickled = pickle.loads(pickle.dumps(loaded))
        assert pickled.set_params(**changed)._config() == expected


def test_own_settings_of_a_part_are_parameters_of_a_loaded_model(model: NCVQVAE) -> None:
    config = NCVQVAE(settings={"stage1.ssl_settings.covariance": 0.5})._config()
    loaded = NCVQVAE._of_state(replace(model._state, preset="default", asked=config))
    assert loaded.settings == {"stage1.ssl_settings.covariance": 0.5}
    assert clone(loaded)._config() == config


def test_a_loaded_model_of_a_preset_that_is_no_more_can_be_used(model: NCVQVAE) -> None:
    loaded = NCVQVAE._of_state(replace(model._state, preset="of-another-version"))
    np.testing.assert_array_equal(loaded.sample(2).X, model.sample(2).X)
    assert clone(loaded).set_params(preset="default", seed=7)._config() == replace(model.asked_, seed=7)


def test_arguments_override_the_settings_of_the_same_name() -> None:
    same = {"ssl": "none", "augmentation": "warp", "seed": 3}
    config = NCVQVAE(ssl="vibcreg", augmentation="gauss", seed=4, settings=same)._config()
    assert (config.ssl, config.augmentation, config.seed) == ("vibcreg", "gauss", 4)
    assert NCVQVAE(settings=same)._config().seed == 3


@pytest.mark.parametrize("use", ["transform", "encode", "reconstruct"])
def test_use_before_fit_is_named_so(use: str) -> None:
    with pytest.raises(NotFittedError):
        getattr(NCVQVAE(), use)(series())


def test_a_prior_that_is_put_in_another_s_place_is_the_one_that_draws(model: NCVQVAE) -> None:
    changed = copy.deepcopy(model)
    changed.sample(2)
    changed.prior_ = copy.deepcopy(model.prior_)
    changed.prior_.output_bias[:, 0] += 1000.0
    first_code = np.zeros((3, changed.tokenizer_.n_tokens), int)
    drawn = changed.sample(3, residual_neighbours=0, redraws=0).X
    np.testing.assert_allclose(drawn, changed.decode(first_code), atol=1e-5)


def test_an_estimate_leaves_a_fitted_model_alone(model: NCVQVAE) -> None:
    before = model.encode(series())
    seconds = model.estimate_seconds(series(), labels(["up", "down", "flat"]))
    assert set(seconds) == {"stage1", "stage2"} and min(seconds.values()) > 0
    np.testing.assert_array_equal(model.encode(series()), before)


@pytest.mark.parametrize("ssl", ["none", "vibcreg"])
def test_an_estimate_leaves_the_choice_of_views_to_the_training(ssl: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(*_: object) -> None:
        pytest.fail("views were chosen")

    monkeypatch.setattr("ncvqvae.training.auto.choose_augmentation", chosen)
    model = NCVQVAE(ssl=ssl, augmentation="auto", settings=TINY)
    assert min(model.estimate_seconds(series(), labels(["up", "down"])).values()) > 0


def test_tuples_are_labels_too(tmp_path: Path) -> None:
    model = reloaded(fitted_at_once(series(), labels([(1, 2), (3, 4)])), tmp_path)
    assert set(model.sample(5).y) <= {(1, 2), (3, 4)}
    assert list(model.sample(2, (1, 2)).y) == [(1, 2), (1, 2)]


def test_labels_that_cannot_be_saved_are_refused_before_training() -> None:
    with pytest.raises(InputError, match="cannot be saved"):
        NCVQVAE(settings=TINY).fit(series(), labels([frozenset({1}), frozenset({2})]))


@pytest.mark.parametrize("n", [2.5, "3", None])
def test_a_number_of_samples_that_is_not_whole_is_refused(model: NCVQVAE, n: Any) -> None:
    with pytest.raises(InputError, match="whole number"):
        model.sample(n)
