"""Responders for tests, whose answers are made by hand."""

from mien.engines import Reply, Responder


class Answering(Responder):
    """Gives what `answer`, or `answer_clips`, says of all the requests of one call together."""

    gives_numbers = True

    def identity(self):
        return {"model": self.name}

    def respond(self, requests):
        asked = list(requests)
        clips, priors = [r.images for r in asked], [r.priors for r in asked]
        answers = self.answer_clips(clips, priors, numbers_only=not asked[0].words)
        for request, answer in zip(asked, answers, strict=True):
            yield Reply(request.id, text=answer.text, numbers=answer, warnings=answer.warnings)

    def answer_clips(self, clips, priors, *, numbers_only=False):
        return self.answer([clip[0] for clip in clips], numbers_only=numbers_only)
