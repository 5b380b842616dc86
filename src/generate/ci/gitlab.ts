import { stamp } from '../stamp.ts'
import { yamlText } from '../yaml-text.ts'
import type { PipelineFacts, Target } from './facts.ts'
import { DOCKER_IMAGE } from './pins.ts'
import { installKind, installShiv, logIn, registryHost, shivCi } from './scripts.ts'
import { slug } from './slug.ts'

/** The whole pipeline of a project, and where it goes when the project has a pipeline already, which then includes it. */
export const GITLAB_FILE = '.gitlab-ci.yml'
export const GITLAB_PART = '.gitlab/shiv.gitlab-ci.yml'

/** Outside of the checkout: what is in there would be in the images, and a tree that differs from its commit. */
const FOLDER = '$SHIV_JOB_FOLDER'
const HISTORY = '$HOME/.local/state/shiv/bench/history'
/** In the checkout, where GitLab wants what it keeps; there only before and after shiv works. */
const KEPT = '.shiv-ci'

/** Packages of Alpine that bring a tool which a language needs; npm ones are not among them. */
const PACKAGES: Record<string, string[]> = {
  node: ['nodejs', 'npm'],
  go: ['go'],
  python3: ['python3'],
  yarn: ['yarn'],
  pnpm: ['pnpm'],
  uv: ['uv'],
  poetry: ['poetry'],
}

/**
 * The text of a pipeline: `shiv-check` for merge requests, `shiv-deploy` to staging for the default branch, and `shiv-release` to production, started by hand.
 * `isPart`: another pipeline includes it, so it says nothing about pipelines as a whole.
 */
export function gitlabPipeline(facts: PipelineFacts, { isPart }: { isPart: boolean }): string {
  const { folder, staging, production } = facts
  const file = isPart ? GITLAB_PART : GITLAB_FILE
  const changes = folder === '' ? {} : { changes: [pathPattern(folder), file] }
  const onRequest = { if: '$CI_PIPELINE_SOURCE == "merge_request_event"', ...changes }
  const onBranch = { if: '$CI_PIPELINE_SOURCE != "merge_request_event" && $CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH', ...changes }
  const pipeline = {
    ...(!isPart && { workflow: { auto_cancel: { on_new_commit: 'interruptible' } } }),
    '.shiv': base(facts),
    'shiv-check': {
      extends: '.shiv',
      stage: 'test',
      needs: [],
      interruptible: true,
      rules: staging ? [onRequest] : [onRequest, onBranch],
      script: [
        shivCi(folder, {
          report: `${FOLDER}/report`,
          deploys: false,
          starts: true,
          confirms: false,
          against: 'CI_MERGE_REQUEST_DIFF_BASE_SHA',
        }),
      ],
    },
    ...(staging && {
      'shiv-deploy': {
        extends: '.shiv',
        stage: 'deploy',
        needs: [],
        ...deployment(facts, staging, 'staging'),
        rules: [onBranch],
        script: [...secrets(), shivCi(folder, { report: `${FOLDER}/report`, deploys: true, starts: true, confirms: false })],
      },
    }),
    ...(production && {
      'shiv-release': {
        extends: '.shiv',
        stage: 'deploy',
        needs: [staging ? 'shiv-deploy' : 'shiv-check'],
        ...deployment(facts, production, 'production'),
        rules: [{ ...onBranch, when: 'manual' }],
        script: [...secrets(), shivCi(folder, { report: `${FOLDER}/report`, deploys: true, starts: false, confirms: true })],
      },
    }),
  }
  const comments = {
    ...(!isPart && { workflow: 'A newer push cancels what is interruptible: checks, and never a deploy.' }),
    '.shiv': [
      'Wants a runner that may run privileged containers, or one whose jobs run on a machine with Docker.',
      `A digest behind the image, such as ${DOCKER_IMAGE}@sha256:…, cannot be moved by anybody.`,
      ...(isPart ? ['Tags, and what else this project wants, go into a .shiv of the file that includes this one.'] : []),
    ].join('\n'),
    'shiv-check': staging
      ? 'For merge requests.'
      : 'For merge requests, and for the default branch: no environment before production names a context and a registry.',
    ...(staging && { 'shiv-deploy': 'Deploys of one environment wait for one another.' }),
    ...(production && { 'shiv-release': 'Somebody starts it.' }),
  }
  return stamp('shiv generate ci gitlab', yamlText(pipeline, { comments }))
}

function base({ folder, tools }: PipelineFacts): object {
  const packages = ['bash', 'curl', 'git', ...new Set(['node', ...tools].flatMap((tool) => PACKAGES[tool] ?? []))]
  return {
    image: { name: DOCKER_IMAGE, entrypoint: [''] },
    timeout: '1h',
    variables: {
      GIT_DEPTH: '0',
      SHIV_JOB_FOLDER: '/tmp/shiv-ci-$CI_JOB_ID',
      ...(folder !== '' && { SHIV_FOLDER: plainText(folder) }),
    },
    before_script: [
      script([
        'SHIV_CI_CHECKED_OUT_AT="$(date -u +%Y-%m-%dT%H:%M:%SZ)"',
        'export SHIV_CI_CHECKED_OUT_AT',
        `mkdir -m 700 "${FOLDER}"`,
        `export PATH="${FOLDER}/bin:${FOLDER}/npm/bin:$PATH"`,
      ]),
      script([
        'if command -v apk >/dev/null; then',
        `  apk add --no-cache ${packages.join(' ')}`,
        'fi',
        'if ! docker version >/dev/null 2>&1; then',
        '  export DOCKER_HOST=unix:///var/run/docker.sock',
        `  dockerd-entrypoint.sh dockerd --host="$DOCKER_HOST" >"${FOLDER}/dockerd.log" 2>&1 &`,
        '  for _ in $(seq 60); do',
        '    if docker version >/dev/null 2>&1; then break; fi',
        '    sleep 1',
        '  done',
        'fi',
        `docker version >/dev/null || { tail "${FOLDER}/dockerd.log" >&2; echo "no Docker answers: the runner has to allow privileged containers" >&2; exit 1; }`,
      ]),
      script(installKind(FOLDER)),
      script(installShiv(FOLDER, 'glab variable set SHIV_PACKAGE, see docs/generate-ci.md of shiv')),
      script([
        `mkdir -p "${HISTORY}"`,
        // A link may come with the checkout, and lead to any file of the machine.
        `if [ ! -L ${KEPT} ] && [ ! -L ${KEPT}/history ]; then`,
        `  for file in ${KEPT}/history/*; do`,
        // What a machine that stays has is newer than the cache.
        `    if [ -f "$file" ] && [ ! -L "$file" ] && [ ! -e "${HISTORY}/\${file##*/}" ]; then cp "$file" "${HISTORY}/"; fi`,
        '  done',
        'fi',
        `rm -rf ${KEPT}`,
      ]),
    ],
    after_script: [
      script([
        `mkdir -p ${KEPT}`,
        `if [ -d "${HISTORY}" ]; then cp -R "${HISTORY}" ${KEPT}/; fi`,
        `if [ -d "${FOLDER}/report" ]; then cp -R "${FOLDER}/report" ${KEPT}/; fi`,
        `rm -rf "${FOLDER}"`,
      ]),
    ],
    cache: { key: 'shiv-history', paths: [`${KEPT}/history/`], when: 'always' },
    artifacts: {
      when: 'always',
      expire_in: '30 days',
      paths: [`${KEPT}/report/`],
      reports: { junit: `${KEPT}/report/junit.xml`, metrics: `${KEPT}/report/metrics.txt` },
    },
  }
}

function deployment({ workspace }: PipelineFacts, { name, registry }: Target, tier: 'staging' | 'production'): object {
  return {
    interruptible: false,
    environment: { name: slug(name), deployment_tier: tier },
    resource_group: `shiv-${slug(workspace)}-${slug(name)}`,
    variables: { SHIV_ENVIRONMENT: plainText(name), SHIV_REGISTRY_HOST: plainText(registryHost(registry)) },
  }
}

function secrets(): string[] {
  return [
    script([
      'if [ ! -f "${SHIV_KUBECONFIG:-}" ]; then',
      '  echo "SHIV_KUBECONFIG is not set for this environment as a variable of type File" >&2',
      '  exit 1',
      'fi',
      `(umask 077 && cat "$SHIV_KUBECONFIG" > "${FOLDER}/kubeconfig")`,
      `export KUBECONFIG="${FOLDER}/kubeconfig"`,
    ]),
    script(logIn(FOLDER)),
  ]
}

/** A value that GitLab does not look into: `$` would be a variable. */
function plainText(value: string): { value: string; expand: false } | string {
  return value.includes('$') ? { value, expand: false } : value
}

/** A character that has a meaning in patterns, or may have one, is matched by `?`. */
function pathPattern(folder: string): string {
  return `${folder.replaceAll(/[^A-Za-z0-9._/ -]/gu, '?')}/**/*`
}

function script(lines: string[]): string {
  return `${lines.join('\n')}\n`
}
