import { expect, test } from 'vitest'
import { findDockerfileLine, readBuildLog } from '../../../src/drivers/docker/build-log.ts'

function read(text: string) {
  const log = readBuildLog()
  const progress = text.split('\n').flatMap((line) => log.take(line) ?? [])
  return { progress, failure: log.failure() }
}

test('tells the failing step with its own last lines only', () => {
  const { progress, failure } = read(`#0 building with "default" instance using docker driver

#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s

#5 [2/4] RUN npm ci
#5 0.218 added 12 packages
#5 DONE 0.2s

#6 [3/4] RUN npm run build
#6 0.218 > tsc -p .
#7 [build 1/1] RUN sleep 1
#7 CANCELED
#6 0.318 src/main.ts(1,1): error TS1005
#6 ERROR: executor failed running [/bin/sh -c npm run build]: exit code: 2
------
 > [3/4] RUN npm run build:
0.218 > tsc -p .
------
ERROR: failed to solve: executor failed running [/bin/sh -c npm run build]: exit code: 2`)
  expect(progress).toEqual(['[2/4] RUN npm ci', '[3/4] RUN npm run build', '[build 1/1] RUN sleep 1'])
  expect(failure).toEqual({
    step: 'RUN npm run build',
    output: ['> tsc -p .', 'src/main.ts(1,1): error TS1005'],
    reason: 'executor failed running [/bin/sh -c npm run build]: exit code: 2',
    line: undefined,
  })
})

test('keeps the last twenty lines of a step', () => {
  const lines = Array.from({ length: 50 }, (_, index) => `#6 0.1 line ${index}`)
  const { failure } = read(['#6 [2/2] RUN x', ...lines, '#6 ERROR: exit code: 1'].join('\n'))
  expect(failure.output).toHaveLength(20)
  expect(failure.output.at(-1)).toBe('line 49')
})

test('takes the line of a Dockerfile that cannot be parsed', () => {
  const { failure } = read(
    'ERROR: failed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: failed to create LLB definition: dockerfile parse error line 2: unknown instruction: COPYY',
  )
  expect(failure).toMatchObject({ step: undefined, line: 2, reason: 'dockerfile parse error line 2: unknown instruction: COPYY' })
})

test('takes the line that newer engines print', () => {
  expect(read('ERROR: failed to solve: process "/bin/sh -c false" did not complete\nDockerfile:7').failure.line).toBe(7)
})

test('finds the line of a step, also over continuation lines', () => {
  const dockerfile = 'FROM node\n# RUN b\nRUN --mount=type=cache,target=/x \\\n  a && \\\n  b\nCOPY . .\nCOPY . .\n'
  expect(findDockerfileLine(dockerfile, 'RUN --mount=type=cache,target=/x a && b')).toBe(3)
  expect(findDockerfileLine(dockerfile, 'COPY . .')).toBeUndefined()
  expect(findDockerfileLine(dockerfile, 'RUN b')).toBeUndefined()
})
