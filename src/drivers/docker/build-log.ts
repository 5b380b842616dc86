import type { BuiltStep } from '../../engine/ports.ts'

/** What BuildKit's plain progress said so far. */
export interface BuildLog {
  /** Takes one line; returns the progress text when it changed. */
  take(line: string): string | undefined
  /** Those that have ended, in the order in which they began. */
  steps(): BuiltStep[]
  /** What went wrong, once the build has failed. */
  failure(): BuildFailure
}

export interface BuildFailure {
  /** The failing step as the Dockerfile has it, without its number, or undefined when no step failed. */
  step: string | undefined
  /** Its own last lines, without BuildKit's decoration. */
  output: string[]
  /** BuildKit's last word. */
  reason: string
  /** Of the Dockerfile, from 1. */
  line: number | undefined
}

const keptLines = 20

/**
 * Reads the output of `--progress=plain`: `#N [2/4] RUN …`, `#N 0.123 text`, `#N DONE 1.2s`, `#N ERROR: …`, and the summary behind `------`.
 * `elapsed` tells the milliseconds since the build began.
 */
export function readBuildLog(elapsed: () => number = () => 0): BuildLog {
  const steps = new Map<string, LoggedStep>()
  let failed: LoggedStep | undefined
  let reason = ''
  let line: number | undefined
  let progress = ''
  return {
    take(text) {
      const vertex = /^#(\d+) (.*)$/.exec(text)
      if (vertex === null) {
        const place = /^(?:\S*[Dd]ockerfile\S*):(\d+)$/.exec(text) ?? /dockerfile parse error (?:on )?line (\d+)/.exec(text)
        if (place?.[1] !== undefined) line = Number(place[1])
        if (text.startsWith('ERROR: ')) reason = text.slice('ERROR: '.length)
        return undefined
      }
      const [, id = '', rest = ''] = vertex
      const step = steps.get(id)
      if (step === undefined || rest === step.name) {
        if (step === undefined) steps.set(id, { name: rest, output: [], startMs: elapsed() })
        return announce(rest)
      }
      if (rest.startsWith('ERROR: ')) {
        failed ??= step
        reason = rest.slice('ERROR: '.length)
      } else if (/^(DONE|CACHED|\.\.\.)/.test(rest)) return void end(step, rest)
      else {
        step.output.push(rest.replace(/^\d+\.\d+ /, ''))
        if (step.output.length > keptLines) step.output.shift()
      }
      return undefined
    },
    steps: () =>
      [...steps.values()].flatMap(({ name, startMs, ended }) => (ended ? [{ name: stripNumber(name), startMs, ...ended }] : [])),
    failure: () => ({
      step: failed && stripNumber(failed.name),
      output: failed?.output ?? [],
      reason: plainReason(reason),
      line,
    }),
  }

  function announce(name: string): string | undefined {
    if (!name.startsWith('[') || name.startsWith('[internal]')) return undefined
    const text = name.length > 80 ? `${name.slice(0, 79)}…` : name
    return text === progress ? undefined : (progress = text)
  }
}

interface LoggedStep {
  name: string
  output: string[]
  startMs: number
  ended?: { ms: number; isCached: boolean }
}

/** `DONE 1.2s`, or `CACHED`; a step that sends files ends several times, the last of which counts. */
function end(step: LoggedStep, text: string): void {
  const [, seconds] = /^DONE (\d+(?:\.\d+)?)s/.exec(text) ?? []
  if (seconds !== undefined) step.ended = { ms: Number(seconds) * 1_000, isCached: false }
  else if (text.startsWith('CACHED')) step.ended = { ms: 0, isCached: true }
}

/**
 * The line of a Dockerfile on which a step stands, from 1: BuildKit's own text of the step is the instruction with its
 * continuation lines joined. Undefined when it is not there or is there twice.
 */
export function findDockerfileLine(dockerfile: string, step: string): number | undefined {
  const wanted = normalise(step)
  const lines = dockerfile.split(/\r?\n/)
  const found: number[] = []
  for (let start = 0; start < lines.length; start += 1) {
    if (/^\s*(#|$)/.test(lines[start] ?? '')) continue
    let end = start
    while (/\\[ \t]*$/.test(lines[end] ?? '') && end + 1 < lines.length) end += 1
    const instruction = lines
      .slice(start, end + 1)
      .filter((line) => !/^\s*#/.test(line))
      .map((line) => line.replace(/\\[ \t]*$/, ''))
      .join(' ')
    if (normalise(instruction) === wanted) found.push(start + 1)
    start = end
  }
  return found.length === 1 ? found[0] : undefined
}

function normalise(instruction: string): string {
  return instruction
    .replace(/--mount=\S+/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .toLowerCase()
}

function stripNumber(name: string): string {
  return name.replace(/^\[[^\]]*\]\s*/, '')
}

function plainReason(reason: string): string {
  return reason
    .replace(/^failed to solve: /, '')
    .replace(/^rpc error: code = \w+ desc = /, '')
    .replace(/^failed to solve with frontend dockerfile\.v0: /, '')
    .replace(/^failed to create LLB definition: /, '')
}
