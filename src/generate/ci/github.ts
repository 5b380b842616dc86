import { stamp } from '../stamp.ts'
import { yamlText } from '../yaml-text.ts'
import { patternOf, plainText, shownText } from './expression.ts'
import type { PipelineFacts, Target } from './facts.ts'
import { ACTIONS, NODE, RUNNER } from './pins.ts'
import { installKind, installShiv, logIn, registryHost, shivCi, type ShivCi } from './scripts.ts'
import { slug } from './slug.ts'

export const GITHUB_FILE = '.github/workflows/shiv.yml'

const TEMP = '$RUNNER_TEMP'
const REPORT = `${TEMP}/shiv-report`
const HISTORY = '~/.local/state/shiv/bench/history'

/** Asked of GitHub itself: the filter of the trigger may let another branch through, and a workflow can be started for any. */
const ON_BRANCH =
  "github.event_name != 'pull_request' && github.ref == format('refs/heads/{0}', github.event.repository.default_branch)"

interface Step {
  name: string
  [key: string]: unknown
}

/**
 * The text of a workflow: `check` for pull requests, `deploy` to staging for what is pushed to the default branch, and `release` to production when somebody
 * releases it. Without an environment to deploy to, `check` also runs for the default branch.
 */
export function githubWorkflow(facts: PipelineFacts): string {
  const { workspace, branch, folder, staging, production } = facts
  const paths = folder === '' ? {} : { paths: [`${patternOf(folder)}/**`, GITHUB_FILE] }
  const before = staging ? 'deploy' : 'check'
  const workflow = {
    name: shownText(`shiv ${workspace}`),
    on: {
      pull_request: Object.keys(paths).length > 0 ? paths : null,
      push: { branches: [patternOf(branch)], ...paths },
      ...(production && {
        workflow_dispatch: {
          inputs: {
            release: { description: shownText(`also release to ${production.name}`), type: 'boolean', default: false },
          },
        },
      }),
    },
    permissions: { contents: 'read' },
    defaults: { run: { shell: 'bash' } },
    jobs: {
      check: job(facts, {
        name: 'check',
        ...(staging && { if: "github.event_name == 'pull_request'" }),
        concurrency: { group: `shiv-check-${slug(workspace)}-\${{ github.ref }}`, 'cancel-in-progress': true },
        guards: staging ? undefined : production,
        steps: [
          ...install({ withKind: true }),
          restoreHistory(),
          runShiv(facts, { deploys: false, starts: true, confirms: false }),
          saveHistory('check'),
          uploadReport('check'),
        ],
      }),
      ...(staging && {
        deploy: job(facts, {
          name: plainText(`deploy to ${staging.name}`),
          if: ON_BRANCH,
          ...deployment(facts, staging),
          guards: production,
          steps: [
            ...install({ withKind: true }),
            restoreHistory(),
            ...secretsOf(staging),
            runShiv(facts, { deploys: true, starts: true, confirms: false }),
            saveHistory('deploy'),
            uploadReport('deploy'),
          ],
        }),
      }),
      ...(production && {
        release: job(facts, {
          name: plainText(`release to ${production.name}`),
          needs: before,
          if: `${ON_BRANCH} && (inputs.release || needs.${before}.outputs.guarded == 'true')`,
          ...deployment(facts, production),
          steps: [
            ...install({ withKind: false }),
            ...secretsOf(production),
            runShiv(facts, { deploys: true, starts: false, confirms: true }),
            uploadReport('release'),
          ],
        }),
      }),
    },
  }
  const comments = {
    permissions: 'The token of the jobs reads the code, and nothing else.',
    jobs: 'Actions are named by their major version. A commit in place of the tag, such as actions/checkout@SHA, cannot be moved by anybody.',
    'jobs/check': staging
      ? 'A newer push cancels it.'
      : 'A newer push cancels it. No environment before production names a context and a registry.',
    ...(staging && { 'jobs/deploy': 'Deploys wait for one another; nothing cancels one.' }),
    ...(production && {
      'jobs/release': `By itself only where the environment has required reviewers, who then release it; else by "Run workflow" with "release".`,
    }),
  }
  return stamp('shiv generate ci github', yamlText(workflow, { comments, spaced: ['jobs'] }))
}

interface JobOptions {
  name: string
  steps: Step[]
  /** The production whose protection is asked for, for the job that releases to it. */
  guards?: Target | undefined
  env?: Record<string, string>
  [key: string]: unknown
}

function job({ folder }: PipelineFacts, { name, steps, guards, env, ...own }: JobOptions): object {
  const all = { ...(folder !== '' && { SHIV_FOLDER: plainText(folder) }), ...env }
  return {
    name,
    ...own,
    ...(guards && {
      permissions: { contents: 'read', actions: 'read' },
      outputs: { guarded: '${{ steps.guarded.outputs.guarded }}' },
    }),
    'runs-on': RUNNER,
    'timeout-minutes': 60,
    ...(Object.keys(all).length > 0 && { env: all }),
    steps: [...(guards ? [askForGuard(guards)] : []), ...clocks(), ...steps],
  }
}

/** What a job that deploys has beside its steps. `queue: max`: several wait, each has its turn. */
function deployment({ workspace }: PipelineFacts, { name }: Target): Omit<JobOptions, 'name' | 'steps'> {
  return {
    environment: { name: plainText(name) },
    concurrency: { group: `shiv-deploy-${slug(workspace)}-${slug(name)}`, 'cancel-in-progress': false, queue: 'max' },
    env: { SHIV_ENVIRONMENT: plainText(name) },
  }
}

/** The moments that only the pipeline knows. Of a push the event tells when it was queued; of a pull request it is true of the first attempt alone. */
function clocks(): Step[] {
  return [
    {
      name: 'Note when the job began',
      env: { REQUESTED_AT: '${{ github.event.pull_request.updated_at }}' },
      run: script([
        'echo "SHIV_CI_STARTED_AT=$(date +%s%3N)" >> "$GITHUB_ENV"',
        'if [ -n "$REQUESTED_AT" ] && [ "$GITHUB_RUN_ATTEMPT" = 1 ]; then echo "SHIV_CI_QUEUED_AT=$REQUESTED_AT" >> "$GITHUB_ENV"; fi',
      ]),
    },
    { name: 'Check out', uses: ACTIONS.checkout, with: { 'fetch-depth': 0, 'persist-credentials': false } },
    { name: 'Note when the code was there', run: 'echo "SHIV_CI_CHECKED_OUT_AT=$(date +%s%3N)" >> "$GITHUB_ENV"' },
  ]
}

function install({ withKind }: { withKind: boolean }): Step[] {
  return [
    { name: 'Set up Node', uses: ACTIONS.setupNode, with: { 'node-version': NODE, 'package-manager-cache': false } },
    ...(withKind ? [{ name: 'Install kind', run: script([...installKind(TEMP), `echo "${TEMP}/bin" >> "$GITHUB_PATH"`]) }] : []),
    {
      name: 'Install shiv',
      env: { SHIV_PACKAGE: '${{ vars.SHIV_PACKAGE }}', SHIV_NPM_REGISTRY: '${{ vars.SHIV_NPM_REGISTRY }}' },
      run: script([
        ...installShiv(
          TEMP,
          'gh variable set SHIV_PACKAGE. A pull request from a fork is given no variables: it needs the package in this file. See docs/generate-ci.md of shiv',
        ),
        `echo "${TEMP}/npm/bin" >> "$GITHUB_PATH"`,
      ]),
    },
  ]
}

function secretsOf({ registry }: Target): Step[] {
  return [
    {
      name: 'Write the kubeconfig',
      env: { KUBECONFIG_TEXT: '${{ secrets.SHIV_KUBECONFIG }}' },
      run: script([
        'if [ -z "$KUBECONFIG_TEXT" ]; then',
        '  echo "::error::SHIV_KUBECONFIG is not set among the secrets of the environment"',
        '  exit 1',
        'fi',
        'umask 077',
        `printf '%s\\n' "$KUBECONFIG_TEXT" > "${TEMP}/kubeconfig"`,
        `echo "KUBECONFIG=${TEMP}/kubeconfig" >> "$GITHUB_ENV"`,
      ]),
    },
    {
      name: 'Log in to the registry',
      env: {
        SHIV_REGISTRY_HOST: plainText(registryHost(registry)),
        SHIV_REGISTRY_USER: '${{ secrets.SHIV_REGISTRY_USER }}',
        SHIV_REGISTRY_PASSWORD: '${{ secrets.SHIV_REGISTRY_PASSWORD }}',
      },
      run: script(logIn(TEMP, ['echo "DOCKER_CONFIG=$DOCKER_CONFIG" >> "$GITHUB_ENV"'])),
    },
  ]
}

function runShiv({ folder }: PipelineFacts, options: Pick<ShivCi, 'deploys' | 'starts' | 'confirms'>): Step {
  const against = options.deploys ? undefined : 'BASE_COMMIT'
  return {
    name: 'shiv ci',
    ...(against && { env: { [against]: '${{ github.event.pull_request.base.sha }}' } }),
    run: shivCi(folder, { report: REPORT, ...options, ...(against && { against }) }),
  }
}

/** A cache is never changed: each run writes its own, and reads the newest. */
function restoreHistory(): Step {
  return {
    name: 'Bring the history of measures',
    uses: ACTIONS.restoreCache,
    with: {
      path: HISTORY,
      key: 'shiv-history-${{ runner.os }}-${{ github.run_id }}-${{ github.run_attempt }}',
      'restore-keys': 'shiv-history-${{ runner.os }}-',
    },
  }
}

function saveHistory(job: string): Step {
  return {
    name: 'Keep the history of measures',
    if: 'always()',
    uses: ACTIONS.saveCache,
    with: { path: HISTORY, key: `shiv-history-\${{ runner.os }}-\${{ github.run_id }}-\${{ github.run_attempt }}-${job}` },
  }
}

function uploadReport(job: string): Step {
  return {
    name: 'Keep the report',
    if: 'always()',
    uses: ACTIONS.uploadArtifact,
    with: {
      name: `shiv-${job}-\${{ github.run_attempt }}`,
      path: '${{ runner.temp }}/shiv-report',
      'if-no-files-found': 'ignore',
      'retention-days': 30,
    },
  }
}

/** Whether production has reviewers. What cannot be asked counts as no. The first step: what the code of the commit runs may put a `gh` of its own on the PATH. */
function askForGuard({ name }: Target): Step {
  return {
    name: 'Ask whether production has reviewers',
    id: 'guarded',
    if: "github.event_name == 'push'",
    env: { GH_TOKEN: '${{ github.token }}', PRODUCTION: plainText(name) },
    run: script([
      'guarded=false',
      `way="repos/$GITHUB_REPOSITORY/environments/$(jq -rn --arg name "$PRODUCTION" '$name | @uri')"`,
      `reviewers="$(gh api "$way" --jq '[.protection_rules[]? | select(.type == "required_reviewers")] | length')" || reviewers=0`,
      'if [ "$reviewers" -gt 0 ]; then guarded=true; fi',
      'if [ "$guarded" = false ]; then echo "::notice::Production is not released: its environment has no required reviewers. Run the workflow by hand with release."; fi',
      'echo "guarded=$guarded" >> "$GITHUB_OUTPUT"',
    ]),
  }
}

function script(lines: string[]): string {
  return `${lines.join('\n')}\n`
}
