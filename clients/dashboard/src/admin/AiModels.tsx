import { useQuery } from "@tanstack/react-query";
import { type AiConfigReply, unwrap } from "@trailmind/api";
import { useId, useState } from "react";
import { Section } from "~/account/Section";
import { api } from "~/api/client";
import { Field } from "~/ui/Field";
import { ErrorState, Skeletons } from "~/ui/states";
import { toast } from "~/ui/toast";
import { chainAsText, chainFromText } from "./models";
import { useAct, WithCode } from "./parts";
import { aiConfigsQuery } from "./queries";
import { useAdminWords } from "./words";

const TASKS = ["describe", "outline", "default"] as const;
type Task = (typeof TASKS)[number];

/** Which models each task tries, in which order. */
export function AiModels() {
  const configs = useQuery(aiConfigsQuery());
  if (configs.isPending) return <Skeletons rows={3} height={120} />;
  if (!configs.data) return <ErrorState error={configs.error} onRetry={() => void configs.refetch()} />;
  return TASKS.map((task) => {
    const config = configs.data.find((each) => each.task_type === task);
    return <TaskModels key={`${task} ${config?.updated_at}`} task={task} config={config} />;
  });
}

function TaskModels({ task, config }: { task: Task; config: AiConfigReply | undefined }) {
  const w = useAdminWords();
  const [models, setModels] = useState(chainAsText(config?.chain ?? []));
  const [temperature, setTemperature] = useState(config?.temperature?.toString() ?? "");
  const [maxTokens, setMaxTokens] = useState(config?.max_output_tokens?.toString() ?? "");
  const [timeout, setWait] = useState(config?.timeout_s?.toString() ?? "");
  const [isEnabled, setEnabled] = useState(config?.is_enabled ?? true);
  const modelsField = useId();
  const path = { params: { path: { task_type: task } } };
  const save = useAct((chain: AiConfigReply["chain"]) =>
    unwrap(
      api.PUT("/v1/admin/ai/configs/{task_type}", {
        ...path,
        body: {
          chain,
          is_enabled: isEnabled,
          ...(temperature ? { temperature: Number(temperature) } : {}),
          ...(maxTokens ? { max_output_tokens: Number(maxTokens) } : {}),
          ...(timeout ? { timeout_s: Number(timeout) } : {}),
        },
      }),
    ),
  );
  const remove = useAct(() => unwrap(api.DELETE("/v1/admin/ai/configs/{task_type}", path)));
  return (
    <Section title={w.tasks[task] ?? task}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          const chain = chainFromText(models, config?.chain ?? []);
          if (chain) save.mutate(chain);
          else toast(w.aiBad);
        }}
      >
        {!config && <p className="muted">{w.aiNone}</p>}
        <div className="field">
          <label htmlFor={modelsField}>{w.models}</label>
          <textarea
            id={modelsField}
            className="input"
            aria-describedby={`${modelsField}-note`}
            value={models}
            onChange={(event) => setModels(event.target.value)}
          />
          <p id={`${modelsField}-note`} className="field-hint">
            <WithCode text={w.aiHint} />
          </p>
        </div>
        <div className="admin-form">
          <Field
            label={w.temperature}
            type="number"
            min={0}
            max={2}
            step="any"
            value={temperature}
            onChange={(event) => setTemperature(event.target.value)}
          />
          <Field
            label={w.maxTokens}
            type="number"
            min={256}
            max={128_000}
            value={maxTokens}
            onChange={(event) => setMaxTokens(event.target.value)}
          />
          <Field
            label={w.timeout}
            type="number"
            min={1}
            max={240}
            value={timeout}
            onChange={(event) => setWait(event.target.value)}
          />
        </div>
        <label className="row">
          <input type="checkbox" checked={isEnabled} onChange={(event) => setEnabled(event.currentTarget.checked)} />
          {w.enabled}
        </label>
        <div className="row wrap">
          <button type="submit" className="button" disabled={save.isPending || models.trim() === ""}>
            {w.save}
          </button>
          {config && task !== "default" && (
            <button
              type="button"
              className="button danger"
              disabled={remove.isPending}
              onClick={() => remove.mutate(undefined)}
            >
              {w.remove}
            </button>
          )}
        </div>
      </form>
    </Section>
  );
}
