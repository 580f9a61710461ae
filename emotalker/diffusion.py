"""The diffusion process of motion and of frames: the noise schedule, which lies here and nowhere else."""

from functools import cache

from .errors import UserError

TRAIN_STEPS = 1000


@cache
def from_diffusers(name: str):
    """A class of the package diffusers.

    Raises:
        UserError: the package is not installed, or does not fit the other packages.
    """
    try:
        import diffusers  # takes seconds, and only diffusion needs it

        return getattr(diffusers, name)  # its parts are imported when they are first asked for
    except (ImportError, RuntimeError) as error:
        raise UserError(
            f"the package diffusers cannot be used ({error}): install this pack's requirements.txt with ComfyUI's own Python."
        ) from error


def make_scheduler(solver: str = "ddim", told: str = "v_prediction"):
    """A fresh diffusers scheduler: cosine noise (Nichol, Dhariwal 2021) that ends in noise alone (Lin et al. 2024).

    Args:
        solver: "ddim" (also for training), "dpm" (DPM-Solver++ of second order) or "dpm1" (of first order: DDIM's own steps, at
            any time steps; no step needs to know what happened since the one before).
        told: what `step` is told: "v_prediction" or "sample" (what is clean).

    Raises:
        UserError: diffusers cannot be used.
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
    elif solver == "dpm1":
        settings["solver_order"] = 1
    return from_diffusers("DDIMScheduler" if solver == "ddim" else "DPMSolverMultistepScheduler")(**settings)


@cache
def noising():
    """The process by which noise is added: a scheduler for `add_noise` and `denoised`, which keep no state in it."""
    return make_scheduler()


def denoised(scheduler, noisy, velocity, steps):
    """The clean x₀ that a predicted velocity stands for.

    Args:
        scheduler: of make_scheduler().
        noisy: [B, ...] x at the time steps.
        velocity: [B, ...] predicted there.
        steps: [B] time steps.

    Returns:
        [B, ...]. With v = α ε - σ x₀ the inverse x₀ = α x - σ v has the velocity's own form.
    """
    return scheduler.get_velocity(velocity, noisy, steps)
