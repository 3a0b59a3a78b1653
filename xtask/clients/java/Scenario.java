import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.TreeSet;
import java.util.UUID;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.*;
import org.openapitools.client.model.*;

/** The scenario with openapi-generator ({@code -g java --library native}). xtask/clients/README.md lists its steps. */
public class Scenario {
    static final String ORIGIN = System.getenv("BLEGRAM_ORIGIN");
    static final String PASSWORD = "plum tractor 92 sings";
    static final List<String> ALTS = List.of("해 질 녘의 바다", "눈 덮인 산");

    /** A call of the API that is expected to fail. */
    interface Call {
        void run() throws ApiException;
    }

    static ApiClient client(String token) {
        ApiClient client = new ApiClient();
        client.updateBaseUri(ORIGIN);
        if (token != null) {
            client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
        }
        return client;
    }

    static String signUp(String username, String displayName) throws ApiException {
        SignUp body = new SignUp().username(username).password(PASSWORD).client(ClientKind.NATIVE).displayName(displayName);
        return new AuthApi(client(null)).signUp(body).getTokens().getAccessToken();
    }

    static void equal(Object actual, Object expected) {
        if (!Objects.equals(actual, expected)) {
            throw new AssertionError(actual + ", expected " + expected);
        }
    }

    static ApiException failure(Call call, int status) {
        try {
            call.run();
        } catch (ApiException failure) {
            equal(failure.getCode(), status);
            return failure;
        }
        throw new AssertionError("the call succeeded, expected " + status);
    }

    /** The generator does not parse problems. */
    static Problem problem(ApiClient client, ApiException failure) throws Exception {
        return client.getObjectMapper().readValue(failure.getResponseBody(), Problem.class);
    }

    /** A UUID of version 7, which begins with the time. */
    static UUID uuid7() {
        UUID random = UUID.randomUUID();
        long time = System.currentTimeMillis() << 16 | 7 << 12 | random.getMostSignificantBits() & 0xfff;
        return new UUID(time, random.getLeastSignificantBits());
    }

    public static void main(String[] args) throws Exception {
        String token = signUp("ann", "앤");
        ApiClient ann = client(token);
        ApiClient bob = client(signUp("bob", null));
        ApiClient anonymous = client(null);

        // The generator sends text parts in ISO-8859-1, so the alt texts are set afterwards, as JSON.
        String folder = System.getenv("PHOTOS");
        List<File> photos = List.of(new File(folder, "sea.png"), new File(folder, "mountain.png"));
        MediaApi media = new MediaApi(ann);
        List<Media> uploaded = media.uploadMedia(photos, null, List.of("sea", "mountain")).getItems();
        equal(uploaded.stream().map(Media::getAlt).toList(), List.of("sea", "mountain"));
        equal(uploaded.stream().map(Media::getWidth).toList(), List.of(64L, 48L));
        for (int n = 0; n < 2; n++) {
            Media updated = media.updateMedia(uploaded.get(n).getId(), new UpdateMedia().alt(ALTS.get(n)), null, null);
            equal(updated.getAlt(), ALTS.get(n));
        }

        PostsApi posts = new PostsApi(ann);
        CreatePost create = new CreatePost().text("바다와 산 #노을").mediaIds(uploaded.stream().map(Media::getId).toList());
        String key = UUID.randomUUID().toString();
        Post post = posts.createPost(create, key);
        equal(posts.createPost(create, key).getId(), post.getId());
        equal(post.getHashtags(), List.of("노을"));
        List<UUID> ids = new ArrayList<>(List.of(post.getId()));
        for (int n = 1; n <= 24; n++) {
            ids.add(posts.createPost(new CreatePost().text("글 " + n), null).getId());
        }

        equal(new UsersApi(bob).followUser("@ann").getFollowing(), true);
        CreateComment text = new CreateComment().text("사진이 멋져요!");
        Comment comment = new CommentsApi(bob).createComment(post.getId(), text, null);
        equal(comment.getPostId(), post.getId());
        equal(comment.getAuthor().getUsername(), "bob");

        List<Integer> sizes = new ArrayList<>();
        List<UUID> listed = new ArrayList<>();
        String cursor = null;
        do {
            PostPage page = new UsersApi(anonymous).listUserPosts("@ann", 10, cursor, null, null);
            sizes.add(page.getItems().size());
            page.getItems().forEach(item -> listed.add(item.getId()));
            cursor = page.getNextCursor();
        } while (cursor != null);
        equal(sizes, List.of(10, 10, 5));
        Collections.reverse(listed);
        equal(listed, ids);

        PostPage found = new DiscoveryApi(bob).searchPosts("노을", null, null, null);
        equal(found.getItems().stream().map(Post::getId).toList(), List.of(post.getId()));

        ConversationsApi chat = new ConversationsApi(ann);
        UUID conversation = chat.createConversation(new CreateConversation().members(List.of("@bob")), null).getId();
        SendMessage message = new SendMessage().clientId(uuid7()).text("주말에 산에 갈까요?");
        UUID sent = chat.sendMessage(conversation, message, null).getId();
        equal(chat.sendMessage(conversation, message, null).getId(), sent);
        List<Message> received = new ConversationsApi(bob).listMessages(conversation, null, null, null).getItems();
        equal(received.stream().map(Message::getClientId).toList(), List.of(message.getClientId()));
        equal(received.get(0).getText(), message.getText());

        SignUp wrong = new SignUp().username("a b c").password("password1234").displayName("가".repeat(31)).client(ClientKind.NATIVE);
        Problem invalid = problem(anonymous, failure(() -> new AuthApi(anonymous).signUp(wrong), 422));
        equal(invalid.getCode(), "invalid");
        equal(
            new TreeSet<>(invalid.getErrors().stream().map(FieldProblem::getPointer).toList()),
            new TreeSet<>(List.of("/username", "/password", "/display_name")));

        GatewayApi gateway = new GatewayApi(ann);
        ApiException limited = failure(() -> { for (int n = 0; n < 10; n++) gateway.createGatewayTicket(); }, 429);
        equal(problem(ann, limited).getCode(), "rate-limited");
        long seconds = limited.getResponseHeaders().firstValueAsLong("Retry-After").orElseThrow();
        equal(seconds > 0, true);
        Thread.sleep(seconds * 1000);
        equal(gateway.createGatewayTicket().getTicket().isEmpty(), false);

        Account updated = new UsersApi(ann).updateMe(new UpdateMe().bio("안녕하세요"), null, null);
        equal(updated.getBio(), "안녕하세요");
        equal(updated.getDisplayName(), "앤");
        // With openApiNullable=false the models cannot say null, so the request is sent by hand.
        HttpRequest clear = HttpRequest.newBuilder(URI.create(ORIGIN + "/api/v1/me"))
            .method("PATCH", HttpRequest.BodyPublishers.ofString("{\"bio\": null, \"display_name\": null}"))
            .header("Content-Type", "application/json")
            .header("Authorization", "Bearer " + token)
            .build();
        HttpClient http = ann.getHttpClient();
        JsonNode cleared = new ObjectMapper().readTree(http.send(clear, HttpResponse.BodyHandlers.ofString()).body());
        equal(cleared.get("bio").asText(), "");
        equal(cleared.get("display_name").asText(), "ann");

        UUID last = ids.get(24);
        posts.deletePost(last, null, null);
        equal(problem(ann, failure(() -> posts.getPost(last, null), 404)).getCode(), "not-found");
    }
}
