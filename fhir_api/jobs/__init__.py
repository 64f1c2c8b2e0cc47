"""Operations that are answered later: ``Prefer: respond-async`` (https://hl7.org/fhir/R4/async.html).

To make an operation one of these, set ``may_take_long=True`` in its row of ``operations/registry.py``. Nothing else is
needed: without the preference its handler answers as any; with it the request becomes a job, 202 names the URL where
its state is told, and the handler's answer waits there as the one entry of a batch-response.

A handler that wants to tell how far it is, and to go on where it was after its process died, uses ``request.job``
(None where somebody waits for the answer):

    job = request.job
    done = int(job.checkpoint or 0) if job else 0
    ...
    if job:
        await job.report(f"{done} of {total} resources", checkpoint=str(done))

``checkpoint`` is what the last ``report`` left, whichever process that was; '' at first. So a handler has to be
repeatable from its checkpoint on. ``report`` raises Cancelled where nobody wants the answer any more: let it pass.

A job is a record of the store with a queue entry under a lease, as a Task is; any API process runs it
(``runner.keep_running``). A job whose process fell silent is taken up again, and is ``lost`` after the attempt limit.
"""
