"""Rules about finite work: the migration, batch RayJobs and the CronJob that creates them."""

from __future__ import annotations

from collections.abc import Iterator

from kuberay.checks.findings import Finding
from kuberay.checks.manifests import Document, label, of_kind

RULES = {
    "job-mode": "RayJobs are submitted over HTTP",
    "job-driver": "the driver of a RayJob requests a CPU, so it does not run on the head",
    "job-storage": "RayJobs have no GCS fault tolerance",
    "job-own-cluster": "a RayJob has its own cluster",
    "job-deletion": "the cluster of a RayJob and the RayJob itself are deleted in that order, once for each outcome",
    "job-shutdown": "only deletion rules delete",
    "job-deadline": "a RayJob has a deadline",
    "cron-overlap": "runs do not overlap, and missed ones are not replayed",
    "cron-time-zone": "the time zone is a field, not part of the schedule",
    "migrate": "the migration runs before the rollout",
}
_STEPS = ["DeleteWorkers", "DeleteCluster", "DeleteSelf"]


def check(documents: list[Document]) -> Iterator[Finding]:
    """The findings about Jobs, RayJobs and CronJobs."""
    for job in of_kind(documents, "RayJob"):
        yield from _ray_job(job)
    for cron in of_kind(documents, "CronJob"):
        spec = cron["spec"]
        if spec.get("concurrencyPolicy") != "Forbid" or "startingDeadlineSeconds" not in spec:
            text = "needs concurrencyPolicy: Forbid and startingDeadlineSeconds"
            yield Finding("cron-overlap", label(cron), text)
        if "TZ=" in spec["schedule"] or "timeZone" not in spec:
            yield Finding("cron-time-zone", label(cron), "write timeZone; TZ= inside the schedule is rejected")
    migrations = [
        job
        for job in of_kind(documents, "Job")
        if job["spec"]["template"]["spec"]["containers"][0].get("command") == ["trailmind", "migrate"]
        and job["metadata"].get("labels", {}).get("trailmind.dev/phase") == "migrate"
    ]
    if len(migrations) != 1:
        text = f"{len(migrations)} Jobs run `trailmind migrate` in phase migrate; the rollout waits for exactly one"
        yield Finding("migrate", "the overlay", text)


def _ray_job(job: Document) -> Iterator[Finding]:
    where, spec = label(job), job["spec"]
    if spec.get("submissionMode") != "HTTPMode":
        text = "write submissionMode: HTTPMode; the default mistakes the end of a log stream for the end of the job"
        yield Finding("job-mode", where, text)
    if not spec.get("entrypointNumCpus"):
        yield Finding("job-driver", where, "without entrypointNumCpus the driver is pinned to the head")
    if spec.get("clusterSelector"):
        text = "with clusterSelector no deletion rule is ever evaluated, and finished RayJobs accumulate"
        yield Finding("job-own-cluster", where, text)
    if "gcsFaultToleranceOptions" in spec.get("rayClusterSpec", {}):
        yield Finding("job-storage", where, "GCS fault tolerance is not supported for RayJobs; make the run resumable")
    if not spec.get("activeDeadlineSeconds"):
        yield Finding("job-deadline", where, "without activeDeadlineSeconds a stuck run keeps its nodes indefinitely")
    if "shutdownAfterJobFinishes" in spec or "ttlSecondsAfterFinished" in spec:
        text = "shutdownAfterJobFinishes and ttlSecondsAfterFinished exclude deletionRules"
        yield Finding("job-shutdown", where, text)
    yield from _deletion(where, spec)


def _deletion(where: str, spec: Document) -> Iterator[Finding]:
    rules = spec.get("deletionStrategy", {}).get("deletionRules", [])
    delays: dict[str, dict[str, int]] = {}
    for rule in rules:
        condition = rule["condition"]
        outcome = condition.get("jobStatus") or f"deployment {condition.get('jobDeploymentStatus')}"
        policies = delays.setdefault(outcome, {})
        if rule["policy"] in policies:
            yield Finding("job-deletion", where, f"{rule['policy']} appears twice for {outcome}")
        policies[rule["policy"]] = condition.get("ttlSeconds", 0)
        if rule["policy"] == "DeleteWorkers" and spec.get("rayClusterSpec", {}).get("enableInTreeAutoscaling"):
            yield Finding("job-deletion", where, "DeleteWorkers is rejected with autoscaling")
    for outcome, policies in delays.items():
        ordered = [policies[step] for step in _STEPS if step in policies]
        if ordered != sorted(ordered):
            yield Finding("job-deletion", where, f"{outcome}: delays must grow from workers to cluster to self")
    for outcome in ("SUCCEEDED", "FAILED", "deployment Failed"):
        if "DeleteCluster" not in delays.get(outcome, {}):
            yield Finding("job-deletion", where, f"no rule deletes the cluster after {outcome}: its nodes keep running")
