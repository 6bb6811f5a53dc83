from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from maskinfer.training.optim import average_of, count_steps  # noqa: E402

pytestmark = pytest.mark.train


@pytest.mark.parametrize("decay", [0.0, 0.3, 0.998])
def test_the_average_forgets_the_first_weights_and_follows_statistics_too(decay: float) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    average = average_of(model, decay)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    for step in range(1, 30):
        with torch.no_grad():
            for value in model.state_dict().values():
                value.copy_(torch.full_like(value, step))
        average.update_parameters(model)
        share = min(decay, step / (9 + step))
        for name, value in model.state_dict().items():
            counts = not value.is_floating_point()
            expected[name] = value.clone() if counts else share * expected[name] + (1 - share) * value
    for name, value in average.module.state_dict().items():
        torch.testing.assert_close(value, expected[name])


def test_an_average_goes_on_where_it_was() -> None:
    model = torch.nn.Linear(1, 1)
    whole = average_of(model, 0.9)
    for step in range(1, 9):
        torch.nn.init.constant_(model.weight, step)
        whole.update_parameters(model)
        if step == 4:
            resumed = average_of(whole.module, 0.9)
            count_steps(resumed, step)
        elif step > 4:
            resumed.update_parameters(model)
    assert torch.equal(resumed.module.weight, whole.module.weight)
