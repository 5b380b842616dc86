/** What would make things faster, and what shows so. */
export interface Advice {
  /** Stable: `context-size`, `layer-order`, `install-in-loop`, `slow-readiness`. */
  id: string
  service: string
  /** What is the matter, in a sentence. */
  finding: string
  /** What was measured or read that shows it. */
  evidence: string[]
  /** What to do. */
  remedy: string
}

/** A step of an image build. */
export interface BuildStep {
  /** As the Dockerfile has it: `RUN npm ci`. */
  name: string
  ms: number
  isCached: boolean
}

/** What advice looks at; all but the name may be unknown. */
export interface AdviceFacts {
  service: string
  /** What the build context holds, after the ignore rules. */
  context?: { bytes: number; largest: { path: string; bytes: number }[] }
  /** Steps of a build after one source file changed; of the median build. */
  fileBuild?: { ms: number; steps: BuildStep[] }
  /** The loop's median, and that of its spans by name, milliseconds. */
  loop?: { ms: number; spans: ReadonlyMap<string, number> }
  /** Commands that a save of a source file runs. */
  loopCommands?: string[]
  /** Of the readiness probe in production. */
  readiness?: { periodMs: number }
}

const INSTALL =
  /\b(?:(?:npm|pnpm) (?:ci|i|install)\b|yarn(?: install)?(?: --\S+)*$|bun install|pip3? install|poetry install|uv (?:sync|pip install)|go mod download|bundle install|composer install|cargo fetch|apt-get (?:-\S+ )*install|apk add)/

const LARGE_CONTEXT = 50e6

/** Every piece of advice that the facts support; none where they show nothing. */
export function advise(facts: AdviceFacts): Advice[] {
  return [contextSize(facts), layerOrder(facts), installInLoop(facts), slowReadiness(facts)].filter(
    (advice) => advice !== undefined,
  )
}

function contextSize({ service, context }: AdviceFacts): Advice | undefined {
  if (context === undefined || context.bytes < LARGE_CONTEXT) return undefined
  const largest = context.largest.filter(({ bytes }) => bytes >= context.bytes / 20).slice(0, 3)
  const needless = largest.filter(({ path }) =>
    /^(\.git|node_modules|dist|build|target|\.venv|venv|coverage|\.next|vendor\/bundle)$/.test(path),
  )
  const named = needless.length > 0 ? needless : largest.slice(0, 1)
  return {
    id: 'context-size',
    service,
    finding: `the build context is ${megabytes(context.bytes)}`,
    evidence: largest.map(({ path, bytes }) => `${path}: ${megabytes(bytes)}`),
    remedy: `what the image does not need goes into .dockerignore: ${named.map(({ path }) => path).join(', ')}`,
  }
}

function layerOrder({ service, fileBuild }: AdviceFacts): Advice | undefined {
  const installs = fileBuild?.steps.filter(({ name, isCached }) => !isCached && INSTALL.test(name)) ?? []
  if (fileBuild === undefined || installs.length === 0) return undefined
  const ms = installs.reduce((sum, step) => sum + step.ms, 0)
  return {
    id: 'layer-order',
    service,
    finding: 'one changed source file installs the dependencies again',
    evidence: installs.map(({ name, ms }) => `${name}: ${seconds(ms)} of a build of ${seconds(fileBuild.ms)}`),
    remedy: `copy the files that name dependencies and install before the source is copied; that would save about ${seconds(ms)} a build`,
  }
}

function installInLoop({ service, loop, loopCommands = [] }: AdviceFacts): Advice | undefined {
  const installs = loopCommands.filter((command) => INSTALL.test(command))
  if (installs.length === 0) return undefined
  const built = loop?.spans.get('built')
  return {
    id: 'install-in-loop',
    service,
    finding: 'every save of a source file installs dependencies',
    evidence: [
      ...installs,
      ...(loop && built !== undefined ? [`building takes ${seconds(built)} of a loop of ${seconds(loop.ms)}`] : []),
    ],
    remedy: 'leave the install to a rule of its own, on the files that name dependencies: docs/reload-rules.md',
  }
}

function slowReadiness({ service, loop, readiness }: AdviceFacts): Advice | undefined {
  const ready = loop?.spans.get('ready') ?? 0
  const share = loop === undefined || loop.ms === 0 ? 0 : ready / loop.ms
  const isSlowInLoop = loop !== undefined && ready >= 500 && share >= 0.4
  const waits = readiness !== undefined && readiness.periodMs >= 10_000
  if (!isSlowInLoop && !waits) return undefined
  return {
    id: 'slow-readiness',
    service,
    finding: isSlowInLoop ? 'most of a loop waits for the readiness check' : 'production waits long for the readiness check',
    evidence: [
      ...(isSlowInLoop ? [`ready: ${seconds(ready)} of a loop of ${seconds(loop.ms)} (${(share * 100).toFixed(0)} %)`] : []),
      ...(waits && readiness
        ? [`the probe asks every ${seconds(readiness.periodMs)}, so traffic comes up to as much later`]
        : []),
    ],
    remedy: isSlowInLoop
      ? 'answer the readiness path as soon as requests can be served, and leave slow work to after that'
      : 'ask more often: health.period_seconds of service.yaml',
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(1)} s`
}
