// fhir-kit-client (https://github.com/Vermonster/fhir-kit-client), unmodified.
import assert from 'node:assert/strict';
import { Client } from 'fhir-kit-client';
import {
  base, deactivate, identified, noErrors, observationOf, rejection, tell, token, transaction, typesIn,
} from './story.mjs';

const client = new Client({ baseUrl: base, bearerToken: token });
const resourceType = 'Patient';

await tell({
  async read() {
    const made = await client.create({ resourceType, body: identified('kit-1') });
    const read = await client.read({ resourceType, id: made.id });
    assert.equal(read.name[0].family, 'Node');
    assert.equal((await client.capabilityStatement()).fhirVersion, '4.0.1');
  },
  async update() {
    const made = await client.create({ resourceType, body: identified('kit-2') });
    const updated = await client.update({ resourceType, id: made.id, body: { ...made, gender: 'male' } });
    assert.equal(updated.meta.versionId, '2');
    const first = await client.vread({ resourceType, id: made.id, version: '1' });
    assert.equal(first.gender, undefined);
    const searchParams = { identifier: 'urn:test|kit-2' };
    const conditional = await client.update({ resourceType, searchParams, body: identified('kit-2') });
    assert.equal(conditional.id, made.id);
  },
  async search() {
    for (let n = 0; n < 7; n += 1) {
      await client.create({ resourceType, body: identified(`kit-page-${n}`, 'Kitpage') });
    }
    let page = await client.search({ resourceType, searchParams: { family: 'Kitpage', _count: 3 } });
    const ids = new Set();
    const sizes = [];
    while (page) {
      sizes.push(page.entry.length);
      page.entry.forEach((entry) => ids.add(entry.resource.id));
      page = await client.nextPage({ bundle: page });
    }
    assert.deepEqual(sizes, [3, 3, 1]);
    assert.equal(ids.size, 7);
    const options = { postSearch: true };
    const posted = await client.search({ resourceType, searchParams: { family: 'Kitpage' }, options });
    assert.equal(posted.entry.length, 7);
  },
  async 'conditional create'() {
    const options = { headers: { 'If-None-Exist': 'identifier=urn:test|kit-once' } };
    const first = await client.create({ resourceType, body: identified('kit-once'), options });
    const again = await client.create({ resourceType, body: identified('kit-once'), options });
    assert.equal(first.id, again.id);
  },
  async transaction() {
    const answer = await client.transaction({ body: transaction('kit-tx') });
    assert.deepEqual(answer.entry.map((entry) => entry.response.status), ['201 Created', '201 Created']);
    const [, patient] = answer.entry.map((entry) => entry.response.location.split('/_history')[0]);
    const compartment = { resourceType, id: patient.split('/')[1] };
    const found = await client.search({ resourceType: 'Observation', compartment });
    assert.equal(found.entry[0].resource.subject.reference, patient);
    const resolved = await client.resolve({ reference: patient });
    assert.equal(resolved.identifier[0].value, 'kit-tx');
    const batch = await client.batch({ body: { ...transaction('kit-batch'), type: 'batch' } });
    assert.equal(batch.entry.length, 2);
  },
  async patch() {
    const made = await client.create({ resourceType, body: { ...identified('kit-3'), active: true } });
    const patched = await client.patch({ resourceType, id: made.id, jsonPatch: deactivate });
    assert.equal(patched.active, false);
    const history = await client.history({ resourceType, id: made.id });
    assert.deepEqual(history.entry.map((entry) => entry.request.method), ['PATCH', 'POST']);
  },
  async operations() {
    const made = await client.create({ resourceType, body: identified('kit-4') });
    await client.create({ resourceType: 'Observation', body: observationOf(`Patient/${made.id}`) });
    const outcome = await client.operation({ resourceType, name: 'validate', input: made });
    assert.ok(noErrors(outcome));
    const wrong = { ...made, gender: 'unheard-of' };
    assert.ok(!noErrors(await client.operation({ resourceType, name: 'validate', input: wrong })));
    const everything = await client.operation({ resourceType, id: made.id, name: 'everything', method: 'GET' });
    assert.deepEqual(typesIn(everything), new Set(['Patient', 'Observation']));
  },
  async delete() {
    const made = await client.create({ resourceType, body: identified('kit-5') });
    await client.delete({ resourceType, id: made.id });
    const gone = await rejection(client.read({ resourceType, id: made.id }));
    assert.equal(gone.response.status, 410);
    assert.equal(gone.response.data.issue[0].code, 'deleted');
  },
  async errors() {
    const refused = await rejection(client.create({ resourceType, body: { resourceType, gender: 'x' } }));
    assert.equal(refused.response.status, 422);
    assert.deepEqual(refused.response.data.issue[0].expression, ['Patient.gender']);
    const stranger = new Client({ baseUrl: base, bearerToken: 'wrong' });
    assert.equal((await rejection(stranger.read({ resourceType, id: 'x' }))).response.status, 401);
  },
});
