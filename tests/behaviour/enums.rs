//! Typed event enums: a value is published as the event that it holds.

use kairo::{Error, prelude::*};
use kairo_tests::support::{Echo, Journal, Sample, logged, on_each_store, sample, soon};

/// An enum of events that are defined elsewhere.
#[events]
enum Held {
    Sample(Sample),
    Echo(Echo),
    #[other]
    Other(AnyEvent),
}

/// An enum whose variants are events of their own.
#[events(prefix = "parcel")]
enum Parcel {
    Sent {
        #[key]
        parcel: u64,
        to: String,
    },
    Weighed(u64),
    Lost,
}

#[tokio::test]
async fn a_value_of_an_enum_is_published_as_the_event_that_it_holds() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let seen = Journal::new();
        let note = seen.clone();
        let handled = kairo.subscribe::<Sample>("seen").handle(move |event| {
            note.note(event.payload().clone());
            async {}
        });
        handled.await.unwrap();
        let published = kairo.publish(Held::Sample(sample("a", 1))).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(seen.all(), [sample("a", 1)]);
        assert_eq!(logged(&kairo, "sample.taken").await[0].stream().as_str(), "sample-a");
        let any = serde_json::json!({ "key": "b", "number": 2 });
        let any = AnyEvent::new("echo.heard", any).unwrap();
        let more = [Held::Echo(Echo { key: "a".into(), number: 1 }), Held::Other(any)];
        let _ = kairo.publish_all(more).await.unwrap();
        let streams = logged(&kairo, "echo.heard").await;
        let streams: Vec<_> = streams.iter().map(|event| event.stream().as_str()).collect();
        assert_eq!(streams, ["echo-a", "echo-b"]);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_variant_with_fields_of_its_own_is_published_as_its_struct() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let sent = Parcel::Sent { parcel: 7, to: "Ada".into() };
        let published = kairo.publish(sent).expect(Version::NoStream).await.unwrap();
        assert_eq!(published.version(), Some(1));
        let _ = kairo.publish_all([Parcel::Weighed(3), Parcel::Lost]).await.unwrap();
        let sent = logged(&kairo, "parcel.sent").await.remove(0);
        assert_eq!(sent.stream().as_str(), "parcel-7");
        let ParcelSent { parcel, to } = sent.decode().unwrap();
        assert_eq!((parcel, to.as_str()), (7, "Ada"));
        let weighed = logged(&kairo, "parcel.weighed").await.remove(0);
        assert_eq!(weighed.decode::<ParcelWeighed>().unwrap().0, 3);
        let lost = logged(&kairo, "parcel.lost").await.remove(0);
        assert!(matches!(Parcel::decode_set(&lost), Ok(Parcel::Lost)));
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_handler_can_return_values_of_an_enum() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let answer = |event: Envelope<Sample>| async move {
            let Sample { key, number } = event.payload().clone();
            Held::Echo(Echo { key, number })
        };
        kairo.subscribe::<Sample>("one").handle(answer).await.unwrap();
        let several = |event: Envelope<Sample>| async move {
            let sent = Parcel::Sent { parcel: event.number, to: "Ada".into() };
            Ok::<_, Failure>(vec![Some(sent), None, Some(Parcel::Lost)])
        };
        kairo.subscribe::<Sample>("several").handle(several).await.unwrap();
        let published = kairo.publish(sample("a", 1)).await.unwrap();
        assert!(soon(published.settled()).await.unwrap().all_done());
        assert_eq!(logged(&kairo, "echo.heard").await[0].stream().as_str(), "echo-a");
        assert_eq!(logged(&kairo, "parcel.sent").await[0].stream().as_str(), "parcel-1");
        assert_eq!(logged(&kairo, "parcel.lost").await.len(), 1);
        kairo.shutdown().await.unwrap();
    })
    .await;
}

#[event("note.struck", ephemeral)]
struct NoteStruck {
    pitch: u64,
}

/// Events that live in memory only, in both forms.
#[events(prefix = "note")]
enum Note {
    #[event("note.held", ephemeral)]
    Held { pitch: u64 },
}

#[events]
enum Sound {
    Struck(NoteStruck),
}

#[tokio::test]
async fn an_ephemeral_member_is_handled_in_memory_and_one_of_fields_is_refused() {
    on_each_store(async |place| {
        let kairo = place.start().await;
        let heard = Journal::new();
        let note = heard.clone();
        let handled = kairo.subscribe::<NoteStruck>("heard").handle(move |event| {
            note.note(event.pitch);
            async {}
        });
        handled.await.unwrap();
        let _ = kairo.publish(Sound::Struck(NoteStruck { pitch: 440 })).await.unwrap();
        assert_eq!(heard.all(), [440]);
        let refused = [
            kairo.publish(Note::Held { pitch: 1 }).await.unwrap_err(),
            kairo.publish_all([Note::Held { pitch: 1 }]).await.unwrap_err(),
            kairo.publish_all([Sound::Struck(NoteStruck { pitch: 1 })]).await.unwrap_err(),
        ];
        assert!(refused.iter().all(|error| matches!(error, Error::Misuse(_))), "{refused:?}");
        assert_eq!(kairo.store().head().await.unwrap(), kairo::Position::START);
        kairo.shutdown().await.unwrap();
    })
    .await;
}
