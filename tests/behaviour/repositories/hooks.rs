//! What is done before and after changes.

use std::sync::{LazyLock, Mutex};

use kairo::{prelude::*, repository::Hooks};
use kairo_tests::support::{logged, on_each_store};

use crate::says;

/// Its slug follows from its title, and its removal is noted in another repository.
#[repository("articles", hooks)]
#[derive(PartialEq)]
struct Article {
    #[id]
    id: u32,
    title: String,
    slug: String,
}

#[repository("removals")]
struct Removal {
    #[id]
    article: u32,
}

#[event("article.renamed")]
struct ArticleRenamed {
    #[key]
    id: u32,
}

static AFTER: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);

impl Hooks for Article {
    async fn before_create(&mut self, _tx: &mut Tx) -> Result<(), Failure> {
        if self.title.is_empty() {
            return Err(Failure::permanent("no title"));
        }
        self.slug = self.title.to_lowercase();
        Ok(())
    }

    async fn before_update(&mut self, before: &Self, tx: &mut Tx) -> Result<(), Failure> {
        if self.title != before.title {
            self.slug = self.title.to_lowercase();
            tx.publish(ArticleRenamed { id: self.id }).await?;
        }
        Ok(())
    }

    async fn before_delete(&self, _tx: &mut Tx) -> Result<(), Failure> {
        if self.title == "Imprint" {
            return Err(Failure::permanent("every site needs one"));
        }
        Ok(())
    }

    async fn after_create(&self, _repository: &Repository<Self>) {
        AFTER.lock().unwrap().push(format!("created {}", self.slug));
    }

    async fn after_update(&self, before: &Self, _repository: &Repository<Self>) {
        AFTER.lock().unwrap().push(format!("{} -> {}", before.slug, self.slug));
    }

    async fn after_delete(&self, repository: &Repository<Self>) {
        let is_there = repository.exists(self.id).await.unwrap_or(true);
        AFTER.lock().unwrap().push(format!("deleted {}: {is_there}", self.slug));
    }
}

fn article(id: u32, title: &str) -> Article {
    Article { id, title: title.into(), slug: String::new() }
}

#[tokio::test]
async fn hooks_run_before_and_after_a_change() {
    on_each_store(|place| async move {
        AFTER.lock().unwrap().clear();
        let kairo = place.start().await;
        let articles = kairo.repository::<Article>();
        let created = articles.create(article(1, "Home")).await.unwrap();
        assert_eq!(
            (created.slug.as_str(), articles.get(1).await.unwrap()),
            ("home", created.clone())
        );
        articles.update(1, ArticlePatch::new().title("Start")).await.unwrap();
        assert_eq!(logged(&kairo, "article.renamed").await.len(), 1);
        let updated = logged(&kairo, "articles.updated").await;
        let updated: Updated<Article> = updated[0].decode().unwrap();
        assert_eq!(updated.changes, ["slug", "title"]);
        articles.delete(1).await.unwrap();
        let after = AFTER.lock().unwrap().clone();
        assert_eq!(after, ["created home", "home -> start", "deleted start: false"]);

        says(articles.create(article(2, "")).await, "Article `2` stays as it is: no title");
        assert!(!articles.exists(2).await.unwrap());
        articles.create(article(3, "Imprint")).await.unwrap();
        says(articles.delete(3).await, "Article `3` stays as it is: every site needs one");
        assert!(articles.exists(3).await.unwrap());
        assert_eq!(logged(&kairo, "articles.deleted").await.len(), 1);
        assert!(kairo.repository::<Removal>().all().await.unwrap().is_empty());
    })
    .await;
}
