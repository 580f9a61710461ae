"""The diffusion process of motion: the noise schedule, which lies here and nowhere else."""

from functools import cache

from ..errors import UserError

TRAIN_STEPS = 1000


@cache
def _schedulers():
    # Imported here: diffusers takes seconds to import, and only motion diffusion needs it.
    try:
        from diffusers import DDIMScheduler, DPMSolverMultistepScheduler
    except (ImportError, RuntimeError) as error:  # it raises the second where a package that it needs does not fit
        raise UserError(
            f"the package diffusers cannot be used ({error}): install this pack's requirements.txt with ComfyUI's own Python."
        ) from error

    return {"ddim": DDIMScheduler, "dpm": DPMSolverMultistepScheduler}


def make_scheduler(solver: str = "ddim", told: str = "v_prediction"):
    """A fresh diffusers scheduler: cosine noise (Nichol, Dhariwal 2021) that ends in noise alone (Lin et al. 2024).

    Args:
        solver: "ddim" (also for training) or "dpm" (DPM-Solver++ of second order).
        told: what `step` is told: "v_prediction" or "sample" (the clean motion).

    Raises:
        UserError: diffusers is not installed, or does not fit the other packages.
    """
    settings = {
        "num_train_timesteps": TRAIN_STEPS,
        "beta_schedule": "squaredcos_cap_v2",
        "prediction_type": told,
        "timestep_spacing": "trailing",
        "rescale_betas_zero_snr": True,
    }
    if solver == "ddim":
        settings["clip_sample"] = False
    return _schedulers()[solver](**settings)


@cache
def noising():
    """The process by which noise is added: a scheduler for `add_noise` and `denoised`, which keep no state in it."""
    return make_scheduler()


def denoised(scheduler, noisy, velocity, steps):
    """The motion x₀ that a predicted velocity stands for.

    Args:
        scheduler: of make_scheduler().
        noisy: [B, T, C] x at the time steps.
        velocity: [B, T, C] predicted there.
        steps: [B] time steps.

    Returns:
        [B, T, C]. With v = α ε - σ x₀ the inverse x₀ = α x - σ v has the velocity's own form.
    """
    return scheduler.get_velocity(velocity, noisy, steps)
