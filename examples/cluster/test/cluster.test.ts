// Two processes, one chat: what is typed in a page of the one is read in a page of the other.
import t from 'tap'
import { enterRoom, person, say, sees, shown, state } from '../../chat/test/browser.ts'
import { startCluster } from '../cluster.ts'

const lobby = 3

t.test('two browsers talk through two processes', async t => {
  const cluster = await startCluster([0, 0])
  t.teardown(() => cluster.close())
  t.not(cluster.urls[0], cluster.urls[1])
  const [ana, ben] = [await person(t, cluster.urls[0]!, 'ana'), await person(t, cluster.urls[1]!, 'ben')]
  for (const page of [ana, ben]) await enterRoom(page, lobby)
  await say(ana, 'Which process are you on?')
  await sees(ben, 'Which process are you on?')
  await ben.getByRole('textbox').pressSequentially('T')
  await ana.getByText('ben is typing…').waitFor()
  await say(ben, 'The other one.')
  await sees(ana, 'The other one.')
  for (const page of [ana, ben]) {
    await page.reload()
    t.strictSame((await shown(page)).slice(-2), ['Which process are you on?', 'The other one.'], 'and they share a database')
    await state(page, 'online')
  }

  const window = await ana.context().newPage()
  await enterRoom(window, lobby)
  await ana.goto(`${cluster.urls[1]}/rooms`)
  await ana.getByRole('button', { name: 'Log out' }).click()
  await ana.waitForURL('**/login')
  await window.getByText('This page is not connected any more.').waitFor()
  t.pass('who logs out in one process is cut off in the other')

  process.kill(cluster.pids[0]!, 'SIGKILL')
  t.match(await cluster.broken, { message: /ended/ })
  await say(ben, 'Hello?')
  await sees(ben, 'Hello?')
  t.pass('one process does not need the other')
})
