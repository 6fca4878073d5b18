"""A backbone of your own: it paints each area in the mean colour of what lies outside of it."""

from amodal_bench.backbones.base import Schedule


class Flat:
    device = "cpu"

    def __init__(self, native=64, micro_batch=4, vae_batch=4):
        self.native, self.micro_batch, self.vae_batch = native, micro_batch, vae_batch

    def describe(self):
        return {"family": "flat", "native": self.native, "micro_batch": self.micro_batch, "vae_batch": self.vae_batch}

    def schedule(self, steps):
        clean = [step / steps for step in range(steps + 1)]
        return Schedule(tuple(clean[:0:-1]), tuple(clean), tuple(clean[::-1]), 1.0)

    def encode(self, images):
        return images

    def decode(self, latents):
        return (latents / 2 + 0.5).clamp(0, 1)

    def latent_area(self, areas):
        return areas

    def prepare(self, images, clean, areas, erase):
        known = 1 - areas
        mean = (images * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        return {"picture": images * known + mean * areas}

    def denoise(self, x, schedule, step, shown):
        return shown["picture"]  # its guess of the clean picture

    def advance(self, output, schedule, step, x, generators):
        noise, following = schedule.noise[step], schedule.noise[step + 1]
        return schedule.signal[step + 1] * output + following / noise * (x - schedule.signal[step] * output)
