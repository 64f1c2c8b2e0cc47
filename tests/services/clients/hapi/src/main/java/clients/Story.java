package clients;

import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.api.SummaryEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.interceptor.BearerTokenAuthInterceptor;
import ca.uhn.fhir.rest.server.exceptions.AuthenticationException;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import ca.uhn.fhir.rest.server.exceptions.UnprocessableEntityException;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.hl7.fhir.r4.model.BooleanType;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.Bundle.BundleEntryComponent;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.CodeType;
import org.hl7.fhir.r4.model.Enumerations.AdministrativeGender;
import org.hl7.fhir.r4.model.Meta;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Quantity;
import org.hl7.fhir.r4.model.Reference;
import org.hl7.fhir.r4.model.StringType;

/** HAPI's generic client, unmodified: java clients.Story BASE TOKEN json|xml. Prints each step that is done. */
public final class Story {
    private interface Step {
        void run() throws Exception;
    }

    private final FhirContext context = FhirContext.forR4Cached();
    private final String base;
    private final String kind;
    private final IGenericClient client;

    private Story(String base, String token, EncodingEnum encoding) {
        this.base = base;
        this.kind = "hapi-" + encoding.name().toLowerCase();
        this.client = client(token, encoding);
    }

    private IGenericClient client(String token, EncodingEnum encoding) {
        IGenericClient made = context.newRestfulGenericClient(base);
        made.registerInterceptor(new BearerTokenAuthInterceptor(token));
        made.setEncoding(encoding);
        return made;
    }

    public static void main(String[] arguments) throws Exception {
        Story story = new Story(arguments[0], arguments[1], EncodingEnum.valueOf(arguments[2].toUpperCase()));
        Map<String, Step> steps = new LinkedHashMap<>();
        steps.put("read", story::read);
        steps.put("update", story::update);
        steps.put("search", story::search);
        steps.put("conditional create", story::conditionalCreate);
        steps.put("transaction", story::transaction);
        steps.put("patch", story::patch);
        steps.put("meta", story::meta);
        steps.put("operations", story::operations);
        steps.put("delete", story::delete);
        steps.put("errors", story::errors);
        for (Map.Entry<String, Step> step : steps.entrySet()) {
            step.getValue().run();
            System.out.println(step.getKey());
        }
    }

    private Patient patient(String value, String family) {
        Patient patient = new Patient();
        patient.addIdentifier().setSystem("urn:test").setValue(kind + value);
        patient.addName().setFamily(family).addGiven("Real");
        patient.setActive(true);
        return patient;
    }

    private Observation observation(Reference subject) {
        Observation observation = new Observation();
        observation.setStatus(Observation.ObservationStatus.FINAL).setSubject(subject);
        observation.getCode().setText("pulse");
        observation.setValue(new Quantity().setValue(new java.math.BigDecimal("61.50")).setUnit("/min"));
        return observation;
    }

    private Patient made(String value) {
        return (Patient) client.create().resource(patient(value, "Hapi")).execute().getResource();
    }

    private void read() {
        CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
        same("4.0.1", statement.getFhirVersion().toCode());
        MethodOutcome outcome = client.create().resource(patient("-1", "Hapi")).execute();
        check(outcome.getCreated());
        String id = outcome.getId().getIdPart();
        Patient read = client.read().resource(Patient.class).withId(id).execute();
        same("Hapi", read.getNameFirstRep().getFamily());
        same(null, client.read().resource(Patient.class).withId(id).ifVersionMatches("1").returnNull().execute());
        Observation measured =
                (Observation) client.create().resource(observation(new Reference("Patient/" + id))).execute().getResource();
        Observation stored = client.read().resource(Observation.class).withId(measured.getIdElement().getIdPart()).execute();
        same("61.50", stored.getValueQuantity().getValue().toPlainString());
    }

    private void update() {
        Patient patient = made("-2");
        patient.setGender(AdministrativeGender.MALE);
        MethodOutcome outcome = client.update().resource(patient).execute();
        same("2", outcome.getId().getVersionIdPart());
        Patient first = client.read().resource(Patient.class)
                .withIdAndVersion(patient.getIdElement().getIdPart(), "1").execute();
        same(null, first.getGender());
        MethodOutcome conditional = client.update().resource(patient("-2", "Other"))
                .conditionalByUrl("Patient?identifier=urn:test|" + kind + "-2").execute();
        same(patient.getIdElement().getIdPart(), conditional.getId().getIdPart());
        Patient stale = first.copy();
        refused(PreconditionFailedException.class, () -> client.update().resource(stale).withAdditionalHeader("If-Match", "W/\"1\"").execute());
    }

    private void search() {
        for (int number = 0; number < 7; number++) {
            client.create().resource(patient("-page-" + number, "Page" + kind)).execute();
        }
        Bundle page = client.search().forResource(Patient.class).where(Patient.FAMILY.matches().value("Page" + kind))
                .sort().descending("_lastUpdated").count(3).returnBundle(Bundle.class).execute();
        Set<String> ids = new HashSet<>();
        int pages = 1;
        while (true) {
            page.getEntry().forEach(entry -> ids.add(entry.getResource().getIdElement().getIdPart()));
            if (page.getLink(Bundle.LINK_NEXT) == null) {
                break;
            }
            page = client.loadPage().next(page).execute();
            pages++;
        }
        same(7, ids.size());
        same(3, pages);
        Bundle posted = client.search().forResource(Patient.class).where(Patient.FAMILY.matches().value("Page" + kind))
                .usingStyle(ca.uhn.fhir.rest.api.SearchStyleEnum.POST).returnBundle(Bundle.class).execute();
        same(7, posted.getEntry().size());
        Bundle counted = client.search().forResource(Patient.class).where(Patient.FAMILY.matches().value("Page" + kind))
                .summaryMode(SummaryEnum.COUNT).returnBundle(Bundle.class).execute();
        same(7, counted.getTotal());
    }

    private void conditionalCreate() {
        String condition = "Patient?identifier=urn:test|" + kind + "-once";
        Patient patient = patient("-once", "Hapi");
        MethodOutcome first = client.create().resource(patient).conditionalByUrl(condition).execute();
        MethodOutcome again = client.create().resource(patient).conditionalByUrl(condition)
                .prefer(PreferReturnEnum.MINIMAL).execute();
        same(first.getId().getIdPart(), again.getId().getIdPart());
    }

    private void transaction() {
        String placeholder = "urn:uuid:0a3c3b5c-6a4e-4f0e-8b4b-0d5a9a3f6f10";
        Bundle bundle = new Bundle().setType(Bundle.BundleType.TRANSACTION);
        BundleEntryComponent entry = bundle.addEntry().setResource(observation(new Reference(placeholder)));
        entry.getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Observation");
        entry = bundle.addEntry().setFullUrl(placeholder).setResource(patient("-tx", "Hapi"));
        entry.getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Patient");
        Bundle answer = client.transaction().withBundle(bundle).execute();
        List<String> statuses = answer.getEntry().stream().map(one -> one.getResponse().getStatus()).collect(Collectors.toList());
        same(List.of("201 Created", "201 Created"), statuses);
        Bundle found = client.search().forResource(Observation.class)
                .where(Observation.SUBJECT.hasChainedProperty(Patient.IDENTIFIER.exactly().systemAndCode("urn:test", kind + "-tx")))
                .include(Observation.INCLUDE_SUBJECT).returnBundle(Bundle.class).execute();
        same(Set.of("Observation", "Patient"), types(found));
    }

    private void patch() {
        Patient patient = made("-3");
        String jsonPatch = "[{\"op\":\"replace\",\"path\":\"/active\",\"value\":false}]";
        MethodOutcome outcome = client.patch().withBody(jsonPatch).withId(patient.getIdElement().toUnqualifiedVersionless()).execute();
        check(!((Patient) outcome.getResource()).getActive());
        Parameters fhirPatch = new Parameters();
        Parameters.ParametersParameterComponent operation = fhirPatch.addParameter().setName("operation");
        operation.addPart().setName("type").setValue(new CodeType("replace"));
        operation.addPart().setName("path").setValue(new StringType("Patient.active"));
        operation.addPart().setName("value").setValue(new BooleanType(true));
        outcome = client.patch().withFhirPatch(fhirPatch)
                .conditionalByUrl("Patient?identifier=urn:test|" + kind + "-3").execute();
        check(((Patient) outcome.getResource()).getActive());
        Bundle history = client.history().onInstance(patient.getIdElement().toUnqualifiedVersionless())
                .returnBundle(Bundle.class).execute();
        same(List.of("PATCH", "PATCH", "POST"),
                history.getEntry().stream().map(one -> one.getRequest().getMethod().toCode()).collect(Collectors.toList()));
    }

    private void meta() {
        Patient patient = made("-meta");
        Meta tag = new Meta();
        tag.addTag().setSystem("urn:tags").setCode("red");
        Meta after = client.meta().add().onResource(patient.getIdElement()).meta(tag).execute();
        same("red", after.getTagFirstRep().getCode());
        Meta kept = client.meta().get(Meta.class).fromResource(patient.getIdElement().toUnqualifiedVersionless()).execute();
        same(1, kept.getTag().size());
        after = client.meta().delete().onResource(patient.getIdElement()).meta(tag).execute();
        same(0, after.getTag().size());
        check(client.meta().get(Meta.class).fromServer().execute() != null);
    }

    private void operations() {
        Patient patient = made("-4");
        client.create().resource(observation(new Reference(patient.getIdElement().toUnqualifiedVersionless()))).execute();
        OperationOutcome outcome = (OperationOutcome) client.validate().resource(patient).execute().getOperationOutcome();
        check(outcome.getIssue().stream().noneMatch(issue -> issue.getSeverity() == OperationOutcome.IssueSeverity.ERROR));
        Bundle everything = client.operation().onInstance(patient.getIdElement().toUnqualifiedVersionless()).named("$everything")
                .withNoParameters(Parameters.class).useHttpGet().returnResourceType(Bundle.class).execute();
        same(Set.of("Observation", "Patient"), types(everything));
    }

    private void delete() {
        Patient patient = made("-5");
        client.delete().resourceById(patient.getIdElement()).execute();
        ResourceGoneException gone = refused(ResourceGoneException.class,
                () -> client.read().resource(Patient.class).withId(patient.getIdElement().getIdPart()).execute());
        OperationOutcome outcome = (OperationOutcome) gone.getOperationOutcome();
        same("deleted", outcome.getIssueFirstRep().getCode().toCode());
        client.delete().resourceConditionalByUrl("Patient?identifier=urn:test|nobody").execute();
    }

    private void errors() {
        Observation bare = new Observation();
        bare.getCode().setText("no status");
        UnprocessableEntityException refused = refused(UnprocessableEntityException.class,
                () -> client.create().resource(bare).execute());
        OperationOutcome outcome = (OperationOutcome) refused.getOperationOutcome();
        same("Observation", outcome.getIssueFirstRep().getExpression().get(0).getValue().split("\\.")[0]);
        IGenericClient stranger = client("wrong", EncodingEnum.JSON);
        refused(AuthenticationException.class, () -> stranger.read().resource(Patient.class).withId("x").execute());
    }

    private static Set<String> types(Bundle bundle) {
        return bundle.getEntry().stream().map(one -> one.getResource().fhirType()).collect(Collectors.toSet());
    }

    private static <E extends Exception> E refused(Class<E> kind, Step step) {
        try {
            step.run();
        } catch (Exception error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw new AssertionError("refused in another way: " + error, error);
        }
        throw new AssertionError("the server should have refused");
    }

    private static void same(Object expected, Object found) {
        if (expected == null ? found != null : !expected.equals(found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    private static void check(boolean holds) {
        same(true, holds);
    }
}
