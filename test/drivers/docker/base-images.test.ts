import { expect, test } from 'vitest'
import { baseImages } from '../../../src/drivers/docker/base-images.ts'

test('finds base images, with arguments filled in and stages left out', () => {
  const dockerfile = `
# FROM nothing:1
ARG NODE=20
ARG REGISTRY="docker.io"
FROM --platform=linux/amd64 node:\${NODE}-slim AS Build
RUN --mount=type=bind,from=golang:1.26,target=/go \\
    true
FROM build AS code
COPY --from=build /a /a
COPY --from=0 /b /b
COPY --chown=1:1 --from=$REGISTRY/busybox:1.36 /bin/sh /bin/sh
FROM scratch
FROM \${UNKNOWN}
`
  expect(baseImages(dockerfile, {})).toEqual(['node:20-slim', 'golang:1.26', 'docker.io/busybox:1.36'])
  expect(baseImages(dockerfile, { NODE: '22' })[0]).toBe('node:22-slim')
})
