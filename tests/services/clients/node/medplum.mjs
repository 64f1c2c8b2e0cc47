// @medplum/core (https://github.com/medplum/medplum), unmodified.
import assert from 'node:assert/strict';
import { MedplumClient, OperationOutcomeError } from '@medplum/core';
import {
  base, deactivate, identified, noErrors, observationOf, rejection, tell, token, transaction, typesIn,
} from './story.mjs';

const url = new URL(base);
const client = new MedplumClient({
  baseUrl: url.origin,
  fhirUrlPath: url.pathname,
  accessToken: token,
  cacheTime: 0,
});

await tell({
  async read() {
    const made = await client.createResource(identified('med-1'));
    const read = await client.readResource('Patient', made.id);
    assert.equal(read.name[0].family, 'Node');
    assert.equal((await client.readReference({ reference: `Patient/${made.id}` })).id, made.id);
  },
  async update() {
    const made = await client.createResource(identified('med-2'));
    const updated = await client.updateResource({ ...made, gender: 'male' });
    assert.equal(updated.meta.versionId, '2');
    const first = await client.readVersion('Patient', made.id, '1');
    assert.equal(first.gender, undefined);
    const same = await client.upsertResource(identified('med-2'), 'identifier=urn:test|med-2');
    assert.equal(same.id, made.id);
  },
  async search() {
    for (let n = 0; n < 7; n += 1) {
      await client.createResource(identified(`med-page-${n}`, 'Medpage'));
    }
    const sizes = [];
    for await (const page of client.searchResourcePages('Patient', { family: 'Medpage', _count: 3 })) {
      sizes.push(page.length);
    }
    assert.deepEqual(sizes, [3, 3, 1]);
    const bundle = await client.search('Patient', 'family=Medpage&_total=accurate');
    assert.equal(bundle.total, 7);
    const one = await client.searchOne('Patient', 'identifier=urn:test|med-page-3');
    assert.equal(one.identifier[0].value, 'med-page-3');
  },
  async 'conditional create'() {
    const query = 'identifier=urn:test|med-once';
    const first = await client.createResourceIfNoneExist(identified('med-once'), query);
    const again = await client.createResourceIfNoneExist(identified('med-once'), query);
    assert.equal(first.id, again.id);
  },
  async transaction() {
    const answer = await client.executeBatch(transaction('med-tx'));
    assert.deepEqual(answer.entry.map((entry) => entry.response.status), ['201 Created', '201 Created']);
    const patient = answer.entry[1].response.location.split('/_history')[0];
    const [pulse] = await client.searchResources('Observation', { subject: patient });
    assert.equal(pulse.subject.reference, patient);
  },
  async patch() {
    const made = await client.createResource({ ...identified('med-3'), active: true });
    const patched = await client.patchResource('Patient', made.id, deactivate);
    assert.equal(patched.active, false);
    const history = await client.readHistory('Patient', made.id);
    assert.deepEqual(history.entry.map((entry) => entry.resource.meta.versionId), ['2', '1']);
  },
  async operations() {
    const made = await client.createResource(identified('med-4'));
    await client.createResource(observationOf(`Patient/${made.id}`));
    assert.ok(noErrors(await client.validateResource(made)));
    const everything = await client.readPatientEverything(made.id);
    assert.deepEqual(typesIn(everything), new Set(['Patient', 'Observation']));
  },
  async binary() {
    const made = await client.createBinary({ data: 'some text', contentType: 'text/plain' });
    const blob = await client.download(client.fhirUrl('Binary', made.id));
    assert.equal(await blob.text(), 'some text');
  },
  async delete() {
    const made = await client.createResource(identified('med-5'));
    await client.deleteResource('Patient', made.id);
    const gone = await rejection(client.readResource('Patient', made.id));
    assert.ok(gone instanceof OperationOutcomeError);
    assert.equal(gone.outcome.issue[0].code, 'deleted');
  },
  async errors() {
    const refused = await rejection(client.createResource({ resourceType: 'Patient', gender: 'x' }));
    assert.ok(refused instanceof OperationOutcomeError);
    assert.deepEqual(refused.outcome.issue[0].expression, ['Patient.gender']);
  },
});
