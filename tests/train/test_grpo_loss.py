import math

import pytest
import torch

from mien.train.grpo_loss import (
    clipped_loss,
    group_advantages,
    kl_estimate,
    masked_mean,
    token_log_probs,
)


def test_advantages_are_rewards_within_their_group():
    rewards = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.2, 0.4, 0.6, 0.8]])
    # means 0.5 and 0.5; deviations sqrt(0.25) and sqrt((0.09 + 0.01) * 2 / 4) = sqrt(0.05)
    expected = torch.tensor([[1.0, -1.0, -1.0, 1.0], [-0.3, -0.1, 0.1, 0.3]])
    expected[1] /= math.sqrt(0.05)
    assert torch.allclose(group_advantages(rewards), expected, atol=2e-3)
    plain = torch.tensor([[0.5, -0.5, -0.5, 0.5], [-0.3, -0.1, 0.1, 0.3]])
    assert torch.allclose(group_advantages(rewards, scale=False), plain)


def test_equal_rewards_teach_nothing():
    assert group_advantages(torch.full((1, 4), 0.7)).abs().max() < 1e-2
    assert not group_advantages(torch.ones(1, 4)).any()


def test_answers_without_a_reward_are_left_out():
    rewards = torch.tensor([[1.0, math.nan, 0.0], [math.nan, math.nan, math.nan]])
    expected = torch.tensor([[0.5, 0.0, -0.5], [0.0, 0.0, 0.0]])
    assert torch.equal(group_advantages(rewards, scale=False), expected)


def test_log_probs_are_those_of_the_tempered_softmax():
    logits = torch.tensor([[[0.0, math.log(3.0)], [math.log(4.0), 0.0]]])
    tokens = torch.tensor([[1, 0]])
    cold = token_log_probs(logits, tokens).exp()
    assert torch.allclose(cold, torch.tensor([[0.75, 0.8]]))
    warm = token_log_probs(logits, tokens, temperature=2.0).exp()  # weights 3 ** 0.5 and 2
    root = math.sqrt(3)
    assert torch.allclose(warm, torch.tensor([[root / (1 + root), 2 / 3]]))


def test_the_clipped_loss_by_hand():
    ratio = torch.tensor([[1.0, 1.5], [0.5, 1.1]])
    old = torch.log(torch.tensor([[0.2, 0.3], [0.4, 0.5]]))
    log_probs = (old + ratio.log()).requires_grad_()
    advantages = torch.tensor([2.0, -1.0])
    mask = torch.ones(2, 2)
    loss = clipped_loss(log_probs, old, advantages, mask, clip=0.2)
    # gains: 2, 2 * 1.2 (clipped), max loss -0.8 (clipped) where -0.5 would be kinder, -1.1
    assert loss.item() == pytest.approx(-(2.0 + 2.4 - 0.8 - 1.1) / 4)
    loss.backward()
    # only tokens whose ratio is not clipped learn
    expected = -torch.tensor([[2.0, 0.0], [0.0, -1.1]]) / 4
    assert torch.allclose(log_probs.grad, expected)


def test_padding_does_not_count():
    old = torch.zeros(1, 3)
    log_probs = torch.tensor([[0.0, 0.0, 9.0]])
    mask = torch.tensor([[1, 1, 0]])
    assert clipped_loss(log_probs, old, torch.tensor([3.0]), mask, clip=0.2).item() == -3.0
    assert masked_mean(torch.tensor([[1.0, 2.0, 9.0]]), mask).item() == 1.5


def test_the_divergence_by_hand():
    log_probs, reference = torch.tensor([[math.log(0.5)]]), torch.tensor([[math.log(0.25)]])
    assert kl_estimate(log_probs, reference).item() == pytest.approx(0.5 - math.log(0.5) - 1)
    assert kl_estimate(log_probs, log_probs).item() == 0.0


def test_the_divergence_is_right_on_average():
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.3, 0.3, 0.4])
    average = (p * kl_estimate(p.log(), q.log())).sum()
    assert average.item() == pytest.approx((p * (p / q).log()).sum().item(), abs=1e-6)
