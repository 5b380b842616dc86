import { describe, expect, it } from 'vitest'
import { includesFile } from '../../src/generate/ci/gitlab-include.ts'
import { GITLAB_PART } from '../../src/generate/ci/gitlab.ts'

/** An anchor that is used more often than the `yaml` package lets one by itself. */
const jobs = Array.from({ length: 150 }, (_, i) => `job${i}: { <<: *a, other: *a }\n`).join('')

describe('a pipeline that includes the part', () => {
  it.each([
    `include: ${GITLAB_PART}`,
    `include: /${GITLAB_PART}`,
    `include: { local: /${GITLAB_PART} }`,
    `include:\n  - template: Jobs/SAST.gitlab-ci.yml\n  - local: ${GITLAB_PART}`,
    `include:\n  - https://example.com/ci.yml\n  - '/${GITLAB_PART}'`,
    `include:\n  - local: /${GITLAB_PART}\n    rules:\n      - if: $CI`,
    'include: /.gitlab/*.yml',
    'include: /.gitlab/**.yml',
    'include: /**/*.gitlab-ci.yml',
    `spec:\n  inputs: {}\n---\ninclude: ${GITLAB_PART}`,
    `.a: &a { tags: [a] }\n${jobs}include: ${GITLAB_PART}`,
    `lint: {}\nlint: {}\ninclude: ${GITLAB_PART}`,
    `lint:\n  script: !reference [.shiv, script]\ninclude: ${GITLAB_PART}`,
  ])('%s', (text) => expect(includesFile(`${text}\n`, GITLAB_PART)).toBe(true))
})

describe('and one that does not', () => {
  it.each([
    '',
    `# include: /${GITLAB_PART}`,
    `include: /.gitlab/lint.yml # not ${GITLAB_PART} yet`,
    `lint:\n  script: [cat ${GITLAB_PART}]`,
    `lint:\n  include: /${GITLAB_PART}`,
    `include: { project: shop/ci, file: /${GITLAB_PART} }`,
    `include: { remote: 'https://example.com/${GITLAB_PART}' }`,
    `include: https://example.com/${GITLAB_PART}`,
    `include: /other/${GITLAB_PART}`,
    `include: ${GITLAB_PART.replace('.', 'x')}`,
    'include: /*.yml',
    'include: /*/*/*.yml',
    'include:',
    'include: [1, [~]]',
    '- include',
    'include: &a [*a]',
    'include: *a',
    `<<: 1\ninclude: ${GITLAB_PART}`,
    `include: [${GITLAB_PART}`,
  ])('%s', (text) => expect(includesFile(`${text}\n`, GITLAB_PART)).toBe(false))
})
