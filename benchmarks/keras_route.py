"""The Keras route end to end: the lecture's network, trained in Keras, adopted, and run by ``maskinfer image``.

python -m benchmarks.keras_route --data PICTURES --out FOLDER

Needs maskinfer[train,keras]. PICTURES has a folder for each label. The network is the lecture's own (MobileNetV2 of
Keras, frozen, average pool, dense 128, ReLU, dropout, softmax; Adam at 1e-4 with the lecture's decay; 224 px, -1 to 1),
but with torchvision's ImageNet weights, which pad a little otherwise than those of Keras. What is shown is that the
adopted file and the command say what Keras says, picture by picture, not how good that is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np

from maskinfer.engine.contract import CropRule
from maskinfer.engine.faces.classifier import load_classifier
from maskinfer.engine.faces.crop import cut_crops
from maskinfer.engine.files.images import read_image
from maskinfer.engine.files.listing import list_images

SIZE_PX = 224
LABELS = ("with_mask", "without_mask")
DESCRIPTION = """labels: [with_mask, without_mask]
layout: NHWC
colour_order: RGB
mean: 127.5
std: 127.5
output: probabilities
square: false
margin: 0
name: lecture-keras
"""


def load_pictures(data: Path, per_label: int, skip: int) -> tuple[Any, Any, list[Path]]:
    """Return pictures as the lecture's code loads them: stretched, RGB, -1 to 1."""
    files = [(label, list_images([str(data / label)])[skip : skip + per_label]) for label in LABELS]
    paths = [image.path for _, images in files for image in images]
    whole = CropRule(square=False, margin=0.0)
    pictures = []
    for path in paths:
        image = read_image(path)
        box = np.array([[0, 0, image.shape[1], image.shape[0]]], np.float32)
        pictures.append(cut_crops(image, box, whole, (SIZE_PX, SIZE_PX))[0, ..., ::-1] / 127.5 - 1)
    truth = np.repeat(np.eye(len(LABELS)), [len(images) for _, images in files], axis=0)
    return np.array(pictures, np.float32), truth.astype(np.float32), paths


def lecture_network(keras: Any, epochs: int) -> Any:
    base = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(SIZE_PX, SIZE_PX, 3))
    lay_weights(base)
    base.trainable = False
    head = keras.layers.AveragePooling2D(pool_size=(7, 7))(base.output)
    head = keras.layers.Flatten(name="flatten")(head)
    head = keras.layers.Dense(128, activation="relu")(head)
    head = keras.layers.Dropout(0.5)(head)
    head = keras.layers.Dense(2, activation="softmax")(head)
    model = keras.Model(inputs=base.input, outputs=head)
    rate = keras.optimizers.schedules.InverseTimeDecay(1e-4, decay_steps=1, decay_rate=1e-4 / epochs)
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(rate), metrics=["accuracy"])
    return model


def lay_weights(base: Any) -> None:
    """Lay torchvision's ImageNet weights into the layers of Keras, which come in the same order."""
    from torchvision.models import MobileNet_V2_Weights

    weights = MobileNet_V2_Weights.IMAGENET1K_V1.get_state_dict(progress=False)
    arrays = [v.numpy() for name, v in weights.items() if name.startswith("features") and "tracked" not in name]
    source = iter(arrays)
    for layer in base.layers:
        if "Conv2D" in type(layer).__name__:
            kernel = next(source)
            order = (2, 3, 0, 1) if type(layer).__name__ == "DepthwiseConv2D" else (2, 3, 1, 0)
            layer.set_weights([kernel.transpose(order)])
        elif type(layer).__name__ == "BatchNormalization":
            layer.set_weights([next(source) for _ in range(4)])


@click.command()
@click.option("--data", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--pictures", default=60, help="Of each label to train on.")
@click.option("--epochs", default=3)
def main(data: Path, out: Path, pictures: int, epochs: int) -> None:
    """Train, adopt, run, compare."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(42)
    data = data.resolve()
    out.mkdir(parents=True, exist_ok=True)
    inputs, truth, _ = load_pictures(data, pictures, 0)
    model = lecture_network(keras, epochs)
    model.fit(inputs, truth, batch_size=32, epochs=epochs, verbose=2)
    model.save(out / "lecture.h5")
    (out / "lecture.yaml").write_text(DESCRIPTION)
    maskinfer("adopt", "lecture.h5", "lecture.onnx", "--description", "lecture.yaml", cwd=out)
    compare(model, data, out, pictures)


def maskinfer(*arguments: str, cwd: Path) -> None:
    subprocess.run([sys.executable, "-m", "maskinfer", *arguments], cwd=cwd, check=True)


def compare(model: Any, data: Path, out: Path, skip: int) -> None:
    """Compare Keras's probabilities with the adopted file's, and with those of ``maskinfer image``, face by face."""
    inputs, _, paths = load_pictures(data, 50, skip)
    expected = model.predict(inputs, verbose=0)
    adopted = load_classifier(str(out / "lecture.onnx"))
    pictures = np.ascontiguousarray(np.round((inputs[..., ::-1] + 1) * 127.5).astype(np.uint8))
    given = adopted(pictures)
    same = int((given.argmax(1) == expected.argmax(1)).sum())
    click.echo(
        f"whole pictures: {same} of {len(paths)} labels equal, largest difference {np.abs(given - expected).max():.1e}"
    )
    maskinfer("image", *map(str, paths), "--classifier", "lecture.onnx", "--jsonl", "faces.jsonl", cwd=out)
    faces = crops_of(out / "faces.jsonl", adopted.contract.crop)
    expected = model.predict(faces[0][..., ::-1] / np.float32(127.5) - 1, verbose=0)
    same = sum(LABELS[row.argmax()] == label for row, label in zip(expected, faces[1], strict=True))
    click.echo(
        f"faces found by maskinfer image: {same} of {len(faces[1])} labels equal to Keras's own on the same crops"
    )


def crops_of(file: Path, rule: CropRule) -> tuple[Any, list[str]]:
    """Return the crops and labels of the faces in JSON Lines."""
    crops, labels = [], []
    for line in file.read_text(encoding="utf-8").splitlines():
        result = json.loads(line)
        boxes = np.array([face["bbox"] for face in result["faces"]], np.float32).reshape(-1, 4)
        crops.append(cut_crops(read_image(Path(result["source"])), boxes, rule, (SIZE_PX, SIZE_PX)))
        labels += [face["label"] for face in result["faces"]]
    return np.concatenate(crops), labels


if __name__ == "__main__":
    main()
